"""The gate's settings: exact limits, and what has to fit together."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.main import main
from streams.doctor.environment import settings_together
from streams.doctor.finding import GOOD, WRONG, Patient
from streams.roles.gates.limits import check_gates, gates_on
from streams.settings import SettingError, Settings

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
