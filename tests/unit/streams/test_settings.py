"""What settings may be: what would fail later is refused at once, and what makes sense is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.chosen_views import chosen_views, limits_of
from streams.cli.main import main
from streams.roles.gates.limits import check_gates
from streams.settings import OWN_TOPICS, SettingError, Settings, unknown_variables
from tables.views import VIEWS


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_of_kafka_is_one(port: str) -> None:
    assert Settings.load({"SLUICE_KAFKA": "a:1,[::1]:65535"}).kafka == ("a:1", "[::1]:65535")
    with pytest.raises(SettingError, match=f"SLUICE_KAFKA='a:1,b:{port}' is not allowed.* from 1 to 65535"):
        Settings.load({"SLUICE_KAFKA": f"a:1,b:{port}"})


@pytest.mark.parametrize("prefix", ["", "p-"])
@pytest.mark.parametrize("name", OWN_TOPICS)
def test_what_sluice_writes_is_no_raw_topic(prefix: str, name: str) -> None:
    environ = {"SLUICE_PREFIX": prefix, "SLUICE_RAW_TOPICS": f"a,{prefix}{name}"}
    with pytest.raises(SettingError, match=f"SLUICE_RAW_TOPICS='a,{prefix}{name}' is not allowed"):
        Settings.load(environ)
    assert Settings.load({**environ, "SLUICE_PREFIX": "other-"}).raw_topics == ("a", prefix + name)


@pytest.mark.parametrize("below", ["", "/below", "/far/below"])
def test_the_data_folder_is_no_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    done = CliRunner().invoke(main, ["settings"], env={"SLUICE_DATA_DIR": f"{tmp_path}/file{below}"})
    assert done.exit_code == 2
    assert done.output.startswith(f"sluice: SLUICE_DATA_DIR='{tmp_path}/file{below}' is not allowed: it must")
    assert Settings.load({"SLUICE_DATA_DIR": f"{tmp_path}/new{below}"}).data_dir == Path(
        f"{tmp_path}/new{below}"
    )


@pytest.mark.parametrize("below", ["", "/below"])
def test_nor_is_it_a_link_to_what_is_not_there(tmp_path: Path, below: str) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "folder")
    with pytest.raises(SettingError, match="SLUICE_DATA_DIR"):
        Settings.load({"SLUICE_DATA_DIR": f"{link}{below}"})
    (tmp_path / "folder").mkdir()
    assert Settings.load({"SLUICE_DATA_DIR": f"{link}{below}"}).data_dir == Path(f"{link}{below}")


@pytest.mark.parametrize("folder", ["", "~nobody-of-that-name/x", "x" * 5000])
def test_a_data_folder_that_cannot_be_is_refused(folder: str) -> None:
    with pytest.raises(SettingError, match="SLUICE_DATA_DIR"):
        Settings.load({"SLUICE_DATA_DIR": folder})


@pytest.mark.parametrize(
    ("name", "text"),
    [("KAFKA", "h:١٢"), ("PARTITIONS", "١٢"), ("STREAM_SECONDS", "١٢"), ("STREAM_SECONDS", "1_0")],
)
def test_numbers_are_written_in_the_digits_0_to_9(name: str, text: str) -> None:
    with pytest.raises(SettingError, match=f"SLUICE_{name}='{text}' is not allowed"):
        Settings.load({f"SLUICE_{name}": text})


@pytest.mark.parametrize(
    ("name", "value"),
    [("RECON_MIN_MINOR", 0), ("PANE_MINUTES", 1), ("PANE_HOURS", 1), ("DEDUPE_SECONDS", 604_800)],
)
def test_what_makes_sense_is_taken(name: str, value: int) -> None:
    assert getattr(Settings.load({f"SLUICE_{name}": str(value)}), name.lower()) == value


@pytest.mark.parametrize(("minutes", "hours", "kept"), [(2880, 1, 60), (2880, 840, 2880), (1, 1, 1)])
def test_minutes_are_kept_no_longer_than_hours(minutes: int, hours: int, kept: int) -> None:
    environ = {"SLUICE_PANE_MINUTES": str(minutes), "SLUICE_PANE_HOURS": str(hours)}
    limits = limits_of(Settings.load(environ))
    assert (limits.pane_minutes, limits.pane_hours) == (kept, hours)


@pytest.mark.parametrize(
    ("text", "taken"),
    [("", ()), (" ", ()), ("search", ("search",)), ("search, promotions", ("search", "promotions"))],
)
def test_domains_with_a_city_level_are_those_of_the_catalogue(text: str, taken: tuple[str, ...]) -> None:
    assert Settings.load({"SLUICE_BRONZE_CITY_DOMAINS": text}).bronze_city_domains == taken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("serach", r"bookings, payments, search, .*: there is no domain serach$"),
        ("search,foo,bar", r"there is no domain foo or bar$"),
        ("search,", "none twice"),
        ("search,search", "none twice"),
        ("Search", "domains of the catalogue"),
    ],
)
def test_other_domains_are_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(SettingError, match=f"^SLUICE_BRONZE_CITY_DOMAINS='{text}' is not allowed.*{said}"):
        Settings.load({"SLUICE_BRONZE_CITY_DOMAINS": text})


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("all", [*VIEWS]),
        ("", [*VIEWS]),
        ("kpi_funnel, ops_payout_backlog", ["ops_payout_backlog", "kpi_funnel"]),
    ],
)
def test_views_are_chosen_by_name(text: str, chosen: list[str]) -> None:
    settings = Settings.load({"SLUICE_VIEWS": text})
    assert [*chosen_views(settings)] == chosen
    assert "SLUICE_VIEWS" not in dict(unknown_variables({"SLUICE_VIEWS": text}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kpi_gmw", r"some of ops_payout_backlog, .*: there is no view kpi_gmw$"),
        ("kpi_gmv,foo,bar", r"there is no view foo or bar$"),
        ("kpi_gmv,all", r"there is no view all$"),
        ("kpi_gmv,", "none twice"),
        ("kpi_gmv,kpi_gmv", "none twice"),
    ],
)
def test_other_views_are_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(SettingError, match=f"^SLUICE_VIEWS='{text}' is not allowed.*{said}"):
        Settings.load({"SLUICE_VIEWS": text})


def test_gates_need_their_view() -> None:
    check_gates(Settings.load({"SLUICE_VIEWS": "kpi_gmv,ops_recon_variance"}))
    with pytest.raises(SettingError, match=r"^SLUICE_VIEWS='kpi_gmv' .* with ops_recon_variance among them"):
        check_gates(Settings.load({"SLUICE_VIEWS": "kpi_gmv"}))
