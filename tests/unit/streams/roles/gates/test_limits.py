"""The gate's settings: exact limits, and what has to fit together."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.main import main
from streams.doctor.environment import settings_together
from streams.doctor.finding import GOOD, WRONG, Patient
from streams.roles.gates.limits import GateOn, check_gates, gates_on
from streams.settings import SettingError, Settings
from tables.gates.rule import Limits

TOO_LONG = {"SLUICE_RECON_WINDOW_HOURS": "800", "SLUICE_RECON_SETTLEMENT_HOURS": "41"}


@pytest.mark.parametrize("value", ["0.020", "1e-2", "-0.1", "nan", ".5", "1000001", ""])
def test_limits_are_decimal_numbers_taken_as_they_are_written(value: str) -> None:
    environ = {"SLUICE_RECON_WARN": value}
    if value == "0.020":
        assert gates_on(Settings.load(environ))[0].limits[0].warn == Fraction(2, 100)
        return
    with pytest.raises(SettingError, match="SLUICE_RECON_WARN"):
        Settings.load(environ)


def test_a_warning_comes_before_an_alarm() -> None:
    with pytest.raises(SettingError, match=r"at most SLUICE_RECON_ALARM \(0.05\)"):
        Settings.load({"SLUICE_RECON_WARN": "0.06"})
    assert Settings.load({"SLUICE_RECON_WARN": "0.05"}).recon_warn == Settings.load({}).recon_alarm


def test_the_windows_lie_within_what_is_kept() -> None:
    check_gates(Settings.load({"SLUICE_RECON_WINDOW_HOURS": "800", "SLUICE_RECON_SETTLEMENT_HOURS": "40"}))
    with pytest.raises(SettingError, match=r"SLUICE_PANE_HOURS \(840\)"):
        check_gates(Settings.load(TOO_LONG))


@pytest.mark.parametrize("command", [("worker", "gates"), ("worker", "all"), ("demo",)])
def test_all_that_run_gates_refuse_a_window_that_is_not_kept(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    done = CliRunner().invoke(main, command, env={**TOO_LONG, "SLUICE_DATA_DIR": str(tmp_path)})
    assert (done.exit_code, done.output.count("\n")) == (2, 1)
    assert "SLUICE_RECON_WINDOW_HOURS" in done.output


async def test_doctor_tells_of_a_window_that_is_not_kept() -> None:
    (check,) = await settings_together(Patient(Settings.load(TOO_LONG), 5.0))
    assert check.state == WRONG
    assert "SLUICE_RECON_WINDOW_HOURS='800' is not allowed" in check.found
    for good in (
        Patient(Settings.load({}), 5.0),
        Patient(Settings.load(TOO_LONG), 5.0, frozenset({"gates"})),
    ):
        (check,) = await settings_together(good)
        assert check.state == GOOD


def on_by(path: Path, text: str, **environ: str) -> list[GateOn]:
    path.write_text(text)
    return gates_on(Settings.load({"SLUICE_GATES_FILE": str(path), **environ}))


def test_a_gate_is_off_until_a_limit_of_it_is_set(tmp_path: Path) -> None:
    assert [one.gate.name for one in gates_on(Settings.load({}))] == ["recon"]
    text = "[payout_backlog]\nwindow_hours = 1\n[promo_overspend]\nspend_ratio = { alarm = 1.25 }\n"
    recon, campaigns = on_by(tmp_path / "gates.toml", text)
    assert (recon.gate.name, recon.limits) == ("recon", (Limits(Fraction(2, 100), Fraction(5, 100)),))
    assert (campaigns.gate.name, campaigns.limits) == ("promo_overspend", (Limits(None, Fraction(5, 4)),))
    assert [watch.measure for watch in campaigns.gate.watches] == ["spend_ratio"]


def test_the_file_goes_before_the_settings_of_recon(tmp_path: Path) -> None:
    text = """
[recon]
variance_ratio = { warn = 0.1, alarm = 0.3 }
minimum = 7
window_hours = 48
settlement_hours = 3
[[recon.settlement]]
city = "london"
currency = "EUR"
hours = 72
[[recon.settlement]]
city = "london"
hours = 24
"""
    (recon,) = on_by(tmp_path / "gates.toml", text, SLUICE_RECON_WARN="0.01")
    assert recon.limits == (Limits(Fraction(1, 10), Fraction(3, 10)),)
    assert (recon.minimum, recon.window_hours, recon.most_settlement) == (7, 48, 72)
    hours = [recon.settlement(key) for key in (("london", "EUR"), ("london", "GBP"), (None, "EUR"))]
    assert hours == [72, 24, 3]


def test_where_less_is_worse_the_warning_is_above_the_alarm(tmp_path: Path) -> None:
    (_, found) = on_by(tmp_path / "gates.toml", "[experiment_srm]\nsrm_p = { warn = 0.01, alarm = 0.001 }")
    assert found.limits == (Limits(Fraction(1, 100), Fraction(1, 1000), below=True),)


REFUSED = {
    "[recom]": "[recom]: there is no such gate; did you mean recon?",
    "recon = 1": "recon: must be a section, [recon]",
    "[recon]\nwindow = 1": "[recon] window: is none of window_hours, minimum, variance_ratio",
    "[recon]\nminimum = -1": "[recon] minimum: must be a whole number from 0",
    "[recon]\nminimum = true": "[recon] minimum: must be a whole number from 0",
    "[recon]\nwindow_hours = 900": "[recon] window_hours: at most SLUICE_PANE_HOURS (840)",
    "[recon]\nsettlement_hours = 830": "window_hours with settlement: at most SLUICE_PANE_HOURS",
    "[recon]\nvariance_ratio = 0.1": "[recon] variance_ratio: must be { warn = …, alarm = … }, or",
    "[recon]\nvariance_ratio = {}": "[recon] variance_ratio: must be { warn = …, alarm = … }",
    "[recon]\nvariance_ratio = { warm = 1 }": "[recon] variance_ratio: must be { warn = …",
    '[recon]\nvariance_ratio = { warn = "1" }': "[recon] variance_ratio.warn: must be a number from 0",
    "[recon]\nvariance_ratio = { alarm = nan }": "[recon] variance_ratio.alarm: must be a number from 0",
    "[recon]\nvariance_ratio = { warn = 2, alarm = 1 }": "it is worse above a limit: warn comes before alarm",
    "[experiment_srm]\nsrm_p = { warn = 0.1, alarm = 0.2 }": "it is worse below a limit: warn comes before",
    "[promo_overspend]\nsettlement_hours = 1": "[promo_overspend] settlement_hours: is none of",
    "[[recon.settlement]]\nhours = 1": "[recon] settlement 1: needs hours, and city or currency",
    '[[recon.settlement]]\ncity = "london"': "[recon] settlement 1: needs hours",
    "[[recon.settlement]]\ncity = 1\nhours = 2": "settlement 1: city: must be hours, or a text for city or",
    '[[recon.settlement]]\ntown = "x"\nhours = 2': "settlement 1: town: must be hours, or a text for city",
    "[recon]\nsettlement = 3": "[recon] settlement: must be entries, [[recon.settlement]]",
    "[recon": "it must be TOML",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_file_is_refused_by_section_and_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingError) as caught:
        on_by(tmp_path / "gates.toml", text)
    assert "SLUICE_GATES_FILE" in str(caught.value)
    assert REFUSED[text] in str(caught.value)


def test_a_gate_whose_view_is_not_computed_is_refused(tmp_path: Path) -> None:
    text = "[promo_overspend]\nspend_ratio = { alarm = 1 }\n"
    with pytest.raises(SettingError, match="with promo_spend among them: the gate promo_overspend"):
        on_by(tmp_path / "gates.toml", text, SLUICE_VIEWS="ops_recon_variance")
