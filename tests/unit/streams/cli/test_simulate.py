"""`sluice simulate` into files and pipes, and what it refuses."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from streams.cli.main import main
from streams.sources.market import Faults, Market, choose_cities
from streams.sources.market.scenarios import SCENARIOS
from streams.sources.simulate import Simulation
from tests.support.programs import started

START = "2026-03-01T00:00:00Z"
FAULTS = ["--bad", "0.05", "--late", "0.05", "--duplicates", "0.05", "--recon-leak", "0.5"]
COMMAND = [sys.executable, "-m", "streams.cli.main", "simulate"]


def simulate(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["simulate", *arguments])


def test_a_file_holds_what_the_market_yields(tmp_path: Path) -> None:
    out = tmp_path / "events.ndjson"
    arguments = ["--rate", "0", "--count", "3000", "--seed", "7", "--start", START, "--cities", "oslo,paris"]
    answer = simulate(*arguments, *FAULTS, "--out", str(out), "--json")
    assert answer.exit_code == 0
    faults = Faults(bad=0.05, late=0.05, duplicates=0.05, recon_leak=0.5)
    market = Market(7, datetime.fromisoformat(START), choose_cities("oslo,paris"), faults=faults)
    records = market.advance(3000)
    assert out.read_bytes() == b"".join((record.value or b"") + b"\n" for record in records)

    report = json.loads(answer.stdout)
    assert report["records"] == 3000
    assert report["value_bytes"] == sum(len(record.value or b"") for record in records)
    assert report["bad"] == dict(market.bad)
    assert (report["late"], report["duplicates"], report["leaks"]) == (
        market.late,
        market.duplicates,
        market.leaks,
    )
    assert (report["seed"], report["start"]) == (7, "2026-03-01T00:00:00+00:00")


def test_two_processes_write_the_same_bytes_also_packed(tmp_path: Path) -> None:
    outputs = []
    for number in ("1", "2"):
        out = tmp_path / number / "events.ndjson.gz"
        out.parent.mkdir()
        arguments = ["--rate", "0", "--count", "2000", "--start", START, *FAULTS, "--out", str(out)]
        subprocess.run(
            [*COMMAND, *arguments], check=True, env={**os.environ, "PYTHONHASHSEED": number}, timeout=60
        )
        outputs.append(out.read_bytes())
    assert outputs[0] == outputs[1]
    assert gzip.decompress(outputs[0]).count(b"\n") == 2000


def test_a_duration_ends_it_in_simulated_time(tmp_path: Path) -> None:
    out = tmp_path / "events.ndjson"
    arguments = ["--rate", "0", "--density", "50", "--flat", "--duration", "10m", "--start", START]
    assert simulate(*arguments, "--out", str(out)).exit_code == 0
    times = [msgspec.json.decode(line)["occurred_at"] for line in out.read_bytes().splitlines()]
    assert len(times) == pytest.approx(50 * 600, rel=0.1)
    assert times[0] > "2026-03-01T00:00:00"
    assert "2026-03-01T00:09:59" < times[-1] < "2026-03-01T00:10:00"


def test_a_seed_is_a_file_whenever_it_is_written(tmp_path: Path) -> None:
    outputs = {}
    for seed, rate in (("7", "0"), ("7", "100000"), ("8", "0")):
        out = tmp_path / f"{seed}-{rate}"
        density = ("--density", "100000") if rate == "0" else ()
        arguments = ["--rate", rate, *density, "--seed", seed, "--count", "500", "--out", str(out)]
        assert simulate(*arguments).exit_code == 0
        outputs[seed, rate] = out.read_bytes()
    assert outputs["7", "0"] == outputs["7", "100000"] != outputs["8", "0"]
    assert all(b'"occurred_at":"2026-01-01T00:0' in line for line in outputs["7", "0"].splitlines())


def test_a_file_may_begin_now(tmp_path: Path) -> None:
    out = tmp_path / "events.ndjson"
    assert simulate("--rate", "0", "--count", "10", "--start", "now", "--out", str(out)).exit_code == 0
    first = msgspec.json.decode(out.read_bytes().splitlines()[0])["occurred_at"]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(first)) < timedelta(hours=1)


def test_a_rate_is_kept_in_real_time_and_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    out = tmp_path / "events.ndjson"
    arguments = ["--rate", "2000", "--flat", "--json", "--start", "now", "--out", "-"]
    with started([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        lines = [program.stdout.readline() for _ in range(200)]
        late = datetime.now(UTC) - datetime.fromisoformat(msgspec.json.decode(lines[-1])["occurred_at"])
        program.send_signal(signal.SIGINT)
        rest, summary = program.stdout.read(), program.stderr.read()  # communicate() forgets what is buffered
    assert program.returncode == 0
    assert rest == b"" or rest.endswith(b"\n")
    report = json.loads(summary)
    assert report["records"] == 200 + rest.count(b"\n")
    assert report["interrupted"] is True
    assert timedelta(0) <= late < timedelta(seconds=20)
    assert not out.exists()


def test_a_signal_before_the_count_is_a_failure() -> None:
    arguments = ["--rate", "2000", "--flat", "--count", "100000000", "--out", "-"]
    with started([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(signal.SIGTERM)
        _, summary = program.communicate(timeout=30)
    assert program.returncode == 1
    assert summary.startswith(b"stopped: ")


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    arguments = ["--rate", "0", "--out", "-"]
    with started([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.stdout.close()
        assert program.wait(30) == 0
        assert b"Traceback" not in program.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("--rate -1", "--rate"),
        ("--rate x", "--rate"),
        ("--density 5", "--density"),
        ("--rate 0 --density 0", "--density"),
        ("--seed one", "--seed"),
        ("--start yesterday", "--start"),
        ("--start 2026-03-01T00:00:00", "--start"),
        ("--start 1960-01-01T00:00:00Z", "--start"),
        ("--start 2190-01-01T00:00:00Z", "--start"),
        ("--duration 5x", "--duration"),
        ("--duration 0s", "--duration"),
        ("--count 0", "--count"),
        ("--cities Oslo", "--cities"),
        ("--cities 0", "--cities"),
        ("--cities oslo,oslo", "--cities"),
        ("--late 0.6", "--late"),
        ("--duplicates -1", "--duplicates"),
        ("--bad 1", "--bad"),
        ("--bad nan", "--bad"),
        ("--late 0.5 --duplicates 0.5 --bad 0.5", "--bad"),
        ("--recon-leak 2", "--recon-leak"),
        ("--leak-after 60s --leak-until 30s", "--leak-until"),
        (
            "--scenario earthquake",
            "recon-leak, payout-stall, schema-break, late-flood, dispute-wave, bad-producer",
        ),
        ("--scenario recon-leak,", "--scenario"),
        ("--scenario recon-leak@60s-30s", "--scenario"),
        ("--out events.ndjson --topic events.raw", "--topic"),
        ("--out events.ndjson --rate 0", "--count or --duration"),
        ("--out no/such/folder/events.ndjson --count 1", "--out"),
        ("--out . --count 1", "--out"),
    ],
)
def test_wrong_usage_names_the_option(arguments: str, named: str) -> None:
    answer = simulate(*arguments.split())
    assert answer.exit_code == 2
    assert named in answer.stderr.splitlines()[-1]


def test_scenarios_are_listed_and_reported(tmp_path: Path) -> None:
    said = " ".join(simulate("--help").stdout.split())
    assert all(f"{name} {each.text}" in said for name, each in SCENARIOS.items())

    usual, unusual = tmp_path / "usual", tmp_path / "unusual"
    arguments = ["--rate", "0", "--density", "100", "--flat", "--duration", "60s", "--json", "--out"]
    simulate(*arguments, str(usual))
    answer = simulate(
        *arguments,
        str(unusual),
        "--scenario",
        "late-flood,bad-producer@10s-20s",
        "--scenario",
        "recon-leak@0-5",
    )
    assert usual.read_bytes() != unusual.read_bytes()
    report = json.loads(answer.stdout)
    assert report["bad"]
    assert report["scenarios"] == [
        {"name": "late-flood", "from_seconds": 60.0, "until_seconds": 150.0},
        {"name": "bad-producer", "from_seconds": 10.0, "until_seconds": 20.0},
        {"name": "recon-leak", "from_seconds": 0.0, "until_seconds": 5.0},
    ]


def test_a_full_disk_is_said() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    answer = simulate("--rate", "0", "--count", "5000", "--out", "/dev/full")
    assert answer.exit_code == 1
    assert "/dev/full: No space left on device" in answer.stderr


def test_a_simulation_sends_what_is_due_and_no_more() -> None:
    now = [0.0]
    market = Market(1, datetime.fromisoformat(START), rate=500.0, flat=True)
    end_us = market.start_us + 3_000_000
    simulation = Simulation(market, lambda: market.start_us + int(now[0] * 1e6), None, end_us)

    assert simulation.take(10) == []
    now[0] = 2.0
    while records := simulation.take(100):
        assert all(record.at_us <= market.start_us + 2_000_000 for record in records)
    assert simulation.take(100) == []
    now[0] = 10.0
    while records := simulation.take(100):
        assert all(record.at_us <= end_us for record in records)
    assert simulation.take(100) is None
    assert simulation.fraction == pytest.approx(1.0, abs=0.05)
