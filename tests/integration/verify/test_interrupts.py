"""SIGTERM and SIGINT end `sluice verify` while it looks at records, and nothing of these is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.views import VIEWS
from tests.support.api import Api, answering
from tests.support.bronze_folder import write_bronze
from tests.support.feed_records import situation
from tests.support.kafka import wait_until
from tests.support.programs import started
from tests.support.view_records import LIMITS, PARTITIONS, reader_of, records

VIEW = "kpi_gmv"


def answer(api: Api, bronze: Path) -> None:
    """An answer, and its records."""
    reads = records(2, in_time=True)
    reader, view = reader_of(reads), VIEWS[VIEW]
    now = situation((reader.newest_us() or 0) / 1e6, partitions=PARTITIONS)
    said = answer_view(reader, view, parse_view_query(view, [("window", "6h")]), now)
    api.answers[f"/v1/views/{VIEW}"] = (200, said)
    write_bronze(bronze, reads)


def being_read(pipe: Path) -> int | None:
    """What writes to a named pipe that somebody reads."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_nothing_is_left(number: signal.Signals, tmp_path: Path) -> None:
    bronze, below = tmp_path / "bronze", tmp_path / "tmp"
    below.mkdir()
    with answering() as api:
        answer(api, bronze)
        held = next(bronze.glob("event=booking.confirmed/**/*.gz"))
        held.unlink()
        os.mkfifo(held)  # whoever reads it waits until somebody has written it
        environ = {
            **os.environ, "SLUICE_BRONZE_URL": bronze.as_uri(), "TMPDIR": str(below),
            "SLUICE_PANE_HOURS": str(LIMITS.pane_hours),
        }  # fmt: skip
        command = [sys.executable, "-m", "streams.cli.main", "verify", VIEW, "--api", api.url]
        with started(command, env=environ, stderr=subprocess.PIPE, text=True) as program:
            writing = await wait_until(lambda: being_read(held), "it to read", seconds=60)
            assert [*below.glob("sluice-verify-*/records.duckdb")]
            program.send_signal(number)
            await wait_until(lambda: [*below.iterdir()] == [], "its records to be gone", seconds=60)
            os.close(writing)
            _, said = program.communicate(timeout=30)
    assert (program.returncode, said.strip()) == (1, "Aborted!")
