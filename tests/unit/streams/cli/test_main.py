"""The `sluice` command as a whole: help, start-up, exit codes."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from streams.cli.main import COMMANDS, main
from streams.feed.replica import Replica
from streams.http.app import create_api
from streams.roles.supervisor import sluice_command
from streams.settings import Settings
from tables.views import VIEWS

NO_KAFKA = {"SLUICE_KAFKA": "127.0.0.1:1"}
HEAVY = ("faust", "fastapi", "aiokafka", "pydantic", "numpy", "rich")


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom streams.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit as end: assert not end.code\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.endswith("loaded []\n")


def test_a_command_is_shown_without_an_engine() -> None:
    program = (
        f"import importlib, sys\nfor name in {list(COMMANDS)!r}:\n"
        "    importlib.import_module(f'streams.cli.{name}')\n"
        "    print([name, *(engine for engine in ('faust', 'fastapi') if engine in sys.modules)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == [str([name]) for name in COMMANDS]


def test_what_a_command_starts_takes_no_module_of_the_callers_folder(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit('the click.py of the folder')")
    (tmp_path / "streams").mkdir()
    done = subprocess.run(
        sluice_command("worker", "--help"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def walk(name: str, command: click.Command) -> list[tuple[str, click.Command]]:
    found = [(name, command)]
    if isinstance(command, click.Group):
        for child in command.commands.values():
            found += walk(f"{name} {child.name}", child)
    return found


def every_command() -> list[tuple[str, click.Command]]:
    context = click.Context(main)
    found = []
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        found += walk(name, command)
    return found


def test_every_command_has_help() -> None:
    for name, command in every_command():
        done = CliRunner().invoke(main, [*name.split(), "--help"])
        assert done.exit_code == 0, name
        assert command.help, name


def test_all_that_list_or_report_answer_in_json() -> None:
    workers = {f"worker {role}" for role in ("all", "audit", "bronze", "gates", "notify", "views")}
    silent = {"api", "demo", "ingest http", *workers}
    for name, command in every_command():
        if not isinstance(command, click.Group) and name not in silent:
            assert any("--json" in option.opts for option in command.params), name


def test_all_that_list_answer_in_tsv_and_in_one_form_at_a_time() -> None:
    listing = {
        "alarms", "bronze cost", "bronze ls", "doctor", "explain", "gates", "monitoring options",
        "quarantine list", "quarantine summary", "schemas list", "settings", "status", "topics list",
        "verify", "views",
    }  # fmt: skip
    found = {
        name for name, command in every_command() if any("--tsv" in option.opts for option in command.params)
    }
    assert found == listing
    for name in listing:
        for options in (["--tsv", "--json"], ["--json", "--tsv"]):
            view = ["kpi_gmv"] if name in ("explain", "verify") else []
            done = CliRunner().invoke(main, [*name.split(), *view, *options])
            assert done.exit_code == 2
            assert "--json and --tsv: take one of them" in done.output


def test_version_and_unknown_command() -> None:
    assert CliRunner().invoke(main, ["--version"]).output.startswith("sluice ")
    done = CliRunner().invoke(main, ["no-such"])
    assert done.exit_code == 2
    assert "no-such" in done.output


@pytest.mark.parametrize(
    "command",
    [["settings"], ["worker", "views"], ["api"], ["replay", "x"], ["topics", "list"], ["doctor"], ["views"],
     ["quarantine", "list"], ["demo"]],
)  # fmt: skip
def test_a_wrong_setting_is_one_line_and_exit_code_2(command: list[str]) -> None:
    done = CliRunner().invoke(main, command, env={"SLUICE_PARTITIONS": "none"})
    assert done.exit_code == 2
    assert done.output.startswith("sluice: SLUICE_PARTITIONS='none' is not allowed: it must be ")
    assert done.output.count("\n") == 1


@pytest.mark.parametrize("options", [(), ("--rebase", "now")])
def test_a_file_that_is_not_there_is_said_without_waiting_for_kafka(
    tmp_path: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.ndjson").touch()
    monkeypatch.setattr("streams.cli.replay.until_signal", None)  # nothing is sent
    for missing in ("none.ndjson", "there.ndjson/none"):
        files = [str(tmp_path / "there.ndjson"), str(tmp_path / missing)]
        done = CliRunner().invoke(main, ["replay", *options, *files], env=NO_KAFKA)
        assert done.exit_code == 1
        assert done.output.startswith(f"sluice: {tmp_path}/{missing}: cannot be opened")
        assert done.output.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [("quarantine", "list"), ("quarantine", "show", "0:1"), ("quarantine", "replay", "--all"),
     ("quarantine", "replay", "0:1"), ("topics", "create"), ("topics", "list"),
     ("replay", "--force", __file__), ("simulate", "--count", "1")],
)  # fmt: skip
@pytest.mark.parametrize(
    ("server", "seconds", "reason"),
    [("127.0.0.1:1", "0.2", "connection refused"), ("no-such-host.invalid:9092", "1", "host not found")],
)
def test_no_command_waits_longer_for_kafka_than_it_is_told(
    command: tuple[str, ...], server: str, seconds: str, reason: str
) -> None:
    started = time.monotonic()
    done = CliRunner().invoke(main, [*command, "--timeout", seconds], env={"SLUICE_KAFKA": server})
    assert done.exit_code == 1
    assert done.output.splitlines()[-1] == (
        f"sluice: Kafka at {server} does not answer (SLUICE_KAFKA says where it is): {server}: {reason}"
    )
    assert time.monotonic() - started < 15, "the default is 10 s"


def test_a_server_that_takes_calls_and_says_nothing_has_timed_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        server = f"127.0.0.1:{mute.getsockname()[1]}"
        done = CliRunner().invoke(main, ["topics", "list", "--timeout", "0.3"], env={"SLUICE_KAFKA": server})
    assert done.exit_code == 1
    assert done.output.splitlines()[-1].endswith(f"{server}: timed out")


def test_the_version_is_one() -> None:
    app = create_api(Replica(VIEWS, Settings.load({})))
    assert CliRunner().invoke(main, ["--version"]).output == f"sluice {app.version}\n"
    assert app.version == version("sluice")


def test_an_unknown_reason_or_code_lists_those_there_are() -> None:
    for option, value, hint in [
        ("--reason", "payload_feild", "did you mean payload_field?"),
        ("--reason", "empty,nonsense", "unknown_schema_id"),
        ("--code", "EVENT_SCHEMA", "EVENT_SCHEMA_INVALID"),
    ]:
        for command in ("list", "replay"):
            done = CliRunner().invoke(main, ["quarantine", command, option, value], env=NO_KAFKA)
            assert done.exit_code == 2
            assert hint in done.output


@pytest.mark.parametrize(
    ("option", "value"),
    [("--reason", "empty,"), ("--field", ","), ("--from", "yesterday"), ("--from", "９"), ("--to", "9" * 30),  # noqa: RUF001
     ("--to", "-"), ("--from", "2026-13-01")],
)  # fmt: skip
def test_a_wrong_filter_of_the_quarantine_is_named(option: str, value: str) -> None:
    done = CliRunner().invoke(main, ["quarantine", "list", option, value], env=NO_KAFKA)
    assert done.exit_code == 2
    assert option in done.output


@pytest.mark.parametrize("role", ["views", "bronze", "all"])
def test_a_data_folder_that_cannot_be_written_is_one_line_and_exit_code_2(role: str) -> None:
    environ = {**NO_KAFKA, "SLUICE_DATA_DIR": "/proc/sluice"}  # where root cannot write either
    done = CliRunner().invoke(main, ["worker", role], env=environ)
    assert done.exit_code == 2
    assert done.output.startswith(
        "sluice: SLUICE_DATA_DIR='/proc/sluice' is not allowed: it must be a folder"
    )
    assert done.output.count("\n") == 1


def test_what_was_typed_cannot_act_on_the_terminal() -> None:
    for command in (
        ["\x1b]0;x\x07"],
        ["topics", "list", "--\x1b[31m"],
        ["bronze", "ls", "--event", "\x1b[2J,"],
    ):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 2
        assert "\x1b" not in done.output
        assert "\x07" not in done.output
