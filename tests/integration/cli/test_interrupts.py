"""SIGINT and SIGTERM end every command that waits or stays, also one in the background of a script, whose
shell starts it with SIGINT ignored. (`sluice views --watch`: test_watch; `sluice bus up`: test_broker.)"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.roles.supervisor import sluice_command
from tests.support.patience import PATIENCE
from tests.support.programs import ignoring_interrupts, started

NO_KAFKA = {
    "SLUICE_KAFKA": "127.0.0.1:1", "SLUICE_HTTP_PORT": "0", "SLUICE_METRICS_PORT": "0",
    "SLUICE_BRONZE_URL": "file://bronze",
}  # fmt: skip
WAITING = "does not answer"
STAYING = {
    ("worker", "views"): WAITING,
    ("worker", "bronze"): WAITING,
    ("worker", "gates"): WAITING,
    ("worker", "all"): WAITING,
    ("api",): "http://127",
    ("simulate", "--out", "-", "--rate", "5000"): "event_id",
}
"""What runs until it is told to end, and what it has said when it does."""
ASKING = (
    ("topics", "create"),
    ("topics", "list"),
    ("quarantine", "list"),
    ("simulate",),
    ("replay", "--force", "events.ndjson"),
)
"""What waits for Kafka."""


def end_of(arguments: tuple[str, ...], sign: str, number: signal.Signals, folder: Path) -> int:
    environ = {**os.environ, **NO_KAFKA, "SLUICE_BRONZE_URL": f"file://{folder / 'bronze'}"}
    (folder / "events.ndjson").write_text('{"event_id":"1","event":"booking.expired"}\n')
    with started(
        sluice_command(*arguments), cwd=folder, env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=ignoring_interrupts,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        said = b""
        while not re.search(sign.encode(), said):
            more = os.read(program.stdout.fileno(), 65536)
            assert more, said
            said += more
        program.send_signal(number)
        while os.read(program.stdout.fileno(), 65536):  # a full pipe would hold it up
            pass
    code: int = program.returncode
    return code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", STAYING, ids=" ".join)
def test_a_command_that_stays_ends_with_0(
    arguments: tuple[str, ...], number: signal.Signals, tmp_path: Path
) -> None:
    assert end_of(arguments, STAYING[arguments], number, tmp_path) == 0


@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_a_command_that_waits_for_kafka_can_be_interrupted(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    assert end_of((*arguments, "--timeout", "100"), WAITING, signal.SIGINT, tmp_path) == 1


def test_sigterm_ends_a_command_that_waits_for_kafka(tmp_path: Path) -> None:
    command = ("topics", "list", "--timeout", "100")
    assert end_of(command, WAITING, signal.SIGTERM, tmp_path) == -signal.SIGTERM


def test_an_interrupt_is_heard_from_the_start(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\nfrom streams.cli import main\n"
        "main.importlib.import_module = lambda name: os.kill(os.getpid(), signal.SIGINT)\n"
        "main.main(['topics', 'list'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, preexec_fn=ignoring_interrupts, capture_output=True,
        text=True, timeout=60 * PATIENCE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.strip()) == (1, "Aborted!")
