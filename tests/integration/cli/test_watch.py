"""`sluice views --watch` as a program, against an api that answers what the test says."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest

from tests.support.api import ANSWER, ROWS, Api, answering
from tests.support.programs import ignoring_interrupts, started


@pytest.fixture
def api() -> Iterator[Api]:
    with answering() as api:
        yield api


def watch(api: Api, *arguments: str, **options: Any) -> AbstractContextManager[subprocess.Popen[Any]]:
    """`sluice views --watch` as a program; its output is a pipe if not told otherwise."""
    command = [sys.executable, "-m", "streams.cli.main", "views", "kpi_gmv", "--watch", "--api", api.url]
    environment = {**os.environ, "SLUICE_STREAM_SECONDS": "0.1", "TERM": "xterm"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return started([*command, *arguments], env=environment, **{**pipes, **options})


@pytest.mark.parametrize("ignored", [False, True], ids=["foreground", "background"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_asks_again_until_it_is_told_to_end(api: Api, number: signal.Signals, ignored: bool) -> None:
    ignoring = ignoring_interrupts if ignored else None
    with watch(api, "--json", text=True, preexec_fn=ignoring) as watching:
        assert watching.stdout is not None
        answers = []
        for bookings in range(3):
            # What only grows with the clock is no change; the api is asked again and again meanwhile.
            answers.append(json.loads(watching.stdout.readline()))
            asked = len(api.asked)
            while len(api.asked) < asked + 3:
                assert api.came.wait(10)
                api.came.clear()
            rows = [{**ROWS[0], "bookings": 100 + bookings}]
            api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "rows": rows})
        watching.send_signal(number)
        rest, complaints = watching.communicate(timeout=10)
    assert [answer["rows"][0]["bookings"] for answer in answers] == [3, 100, 101]
    assert len(rest.splitlines()) <= 1, "that which the last change brought"
    assert (watching.returncode, complaints) == (0, "")


def test_a_watch_that_is_ended_gives_the_terminal_its_cursor_back(api: Api) -> None:
    screen, terminal = pty.openpty()
    shown, ends = b"", {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with watch(api, **ends, start_new_session=True) as watching:
        os.close(terminal)
        while b"19,960" not in shown:
            shown += os.read(screen, 65536)
        watching.send_signal(signal.SIGTERM)
        with suppress(OSError):  # the terminal's end
            while more := os.read(screen, 65536):
                shown += more
    os.close(screen)
    assert watching.returncode == 0
    assert 0 <= shown.rfind(b"\x1b[?25l") < shown.rfind(b"\x1b[?25h")


def test_watch_in_a_pipe_prints_a_table_at_each_change(api: Api) -> None:
    with watch(api, text=True) as watching:
        assert watching.stdout is not None
        first = [watching.stdout.readline() for _ in range(6)]
        rows = [{**ROWS[0], "bookings": 100}]
        api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "rows": rows, "complete": False,
                                                  "incomplete_because": ["events.raw-0: gone"]})  # fmt: skip
        second = [watching.stdout.readline() for _ in range(5)]
        api.answers["/v1/views/kpi_gmv"] = (503, {"detail": "not now"})
        assert watching.stderr is not None
        complaint = watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=10)
    assert "19,960" in first[4], first
    assert "complete: NO" in second[0]
    assert second[1] == "  events.raw-0: gone\n"
    assert " 100 " in second[4], second
    assert complaint == f"sluice: the api at {api.url} answered 503: not now\n"
    assert watching.returncode == 0


def test_a_pipe_that_is_closed_ends_a_watch(api: Api) -> None:
    with watch(api) as watching:
        assert watching.stdout is not None
        watching.stdout.readline()
        watching.stdout.close()
        api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "rows": []})
        assert watching.wait(10) == 0
        assert watching.stderr is not None
        assert watching.stderr.read() == b""
