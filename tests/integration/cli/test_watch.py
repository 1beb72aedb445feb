"""`sluice views --watch` as a program, against an api that answers what the test says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from streams.cli.watch import ENTER, LEAVE
from tests.support.api import ANSWER, PROBLEM, ROWS, Api, answering
from tests.support.programs import ignoring_interrupts, started
from tests.support.terminal import Terminal

CITIES = 40
PATH = "/v1/views/kpi_gmv"


@pytest.fixture
def api() -> Iterator[Api]:
    with answering() as api:
        yield api


@contextmanager
def watch(
    api: Api, *arguments: str, environ: dict[str, str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[Any]]:
    """`sluice views --watch` as a program; its output is a pipe if not told otherwise."""
    command = [sys.executable, "-m", "streams.cli.main", "views", "kpi_gmv", "--watch", "--api", api.url]
    plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment = {**plain, "SLUICE_STREAM_SECONDS": "0.1", "TERM": "xterm", **(environ or {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started([*command, *arguments], env=environment, **{**pipes, **options}) as watching:
        yield watching


@contextmanager
def watch_on(terminal: Terminal, api: Api, **environ: str) -> Iterator[subprocess.Popen[Any]]:
    """The same on a terminal, which is the program's own: keys reach it as they reach any."""
    ends = dict.fromkeys(("stdin", "stdout", "stderr"))
    login = partial(os.login_tty, terminal.end)
    with watch(api, environ=environ, preexec_fn=login, **ends) as watching:
        terminal.let_go()
        yield watching


def answer(api: Api, bookings: int, cities: int = CITIES) -> None:
    rows = [{**ROWS[1], "city": f"city-{number:02}", "bookings": bookings} for number in range(cities)]
    api.answers[PATH] = (200, {**ANSWER, "rows": rows})


def shows(terminal: Terminal, bookings: str, cities: int = 1) -> bool:
    return sum(f" {bookings} " in row for row in terminal.rows) == cities


def is_stopped(pid: int) -> bool:
    state = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
    return state is not None and state.si_code == os.CLD_STOPPED


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
            api.answers[PATH] = (200, {**ANSWER, "rows": rows})
        watching.send_signal(number)
        rest, complaints = watching.communicate(timeout=10)
    assert [answer["rows"][0]["bookings"] for answer in answers] == [3, 100, 101]
    assert len(rest.splitlines()) <= 1, "that which the last change brought"
    assert (watching.returncode, complaints) == (0, "")


def test_a_terminal_is_drawn_in_place_and_never_scrolls(api: Api) -> None:
    answer(api, 1000)
    with Terminal(80, 12) as terminal, watch_on(terminal, api) as watching:
        terminal.until(lambda: shows(terminal, "1,000", 6))
        for bookings in (1001, 1002, 1003):
            terminal.type(b"\r" * 20)  # what somebody types moves nothing either
            answer(api, bookings)
            terminal.until(partial(shows, terminal, f"{bookings:,}", 6))
        assert terminal.rows[0] == "kpi_gmv  as of 2026-11-23 07:04:05 UTC"
        assert terminal.rows[-1] == "… 34 rows below: a taller terminal shows more"
        assert terminal.seen.cursor.hidden
        terminal.resize(120, 30)
        terminal.until(lambda: shows(terminal, "1,003", 25))
        assert terminal.rows[-1] == "… 15 rows below: a taller terminal shows more"
        terminal.resize(80, CITIES + 10)
        terminal.until(lambda: shows(terminal, "1,003", CITIES))
        assert "rows below" not in "\n".join(terminal.rows)
        assert terminal.scrolled == 0
        watching.send_signal(signal.SIGTERM)
        terminal.to_the_end()
    assert watching.returncode == 0


@pytest.mark.parametrize("end", ["Ctrl-C", "SIGTERM", "an error"])
def test_a_terminal_is_given_back_as_it_was(api: Api, end: str) -> None:
    with Terminal(80, 24) as terminal:
        before = terminal.modes
        with watch_on(terminal, api) as watching:
            terminal.until(lambda: shows(terminal, "19,960"))
            assert terminal.modes != before, "what is typed is not echoed"
            match end:
                case "Ctrl-C":
                    terminal.type(b"\x03")
                case "SIGTERM":
                    watching.send_signal(signal.SIGTERM)
                case _:
                    api.answers[PATH] = (404, PROBLEM)
            terminal.to_the_end()
        assert terminal.modes == before
    said = terminal.said.decode()
    assert watching.returncode == (2 if end == "an error" else 0)
    assert (said.count(ENTER), said.count(LEAVE)) == (1, 1)
    assert said.startswith(ENTER)
    _, after = said.split(LEAVE)
    assert after == ("sluice: there is no view 'x'; there are: a, b\r\n" if end == "an error" else "")
    assert not terminal.seen.cursor.hidden


def test_a_watch_that_is_stopped_gives_the_shell_its_screen(api: Api) -> None:
    with Terminal(80, 24) as terminal:
        before = terminal.modes
        with watch_on(terminal, api) as watching:
            terminal.until(lambda: shows(terminal, "19,960"))
            terminal.type(b"\x1a")
            terminal.until(lambda: is_stopped(watching.pid))
            terminal.until(lambda: terminal.said.endswith(LEAVE.encode()))
            assert terminal.modes == before
            answer(api, 2000, cities=1)
            watching.send_signal(signal.SIGCONT)
            terminal.until(lambda: shows(terminal, "2,000"))
            assert terminal.said.decode().count(ENTER) == 2
            terminal.type(b"\x03")
            terminal.to_the_end()
        assert terminal.modes == before
    assert watching.returncode == 0
    assert not terminal.seen.cursor.hidden


def test_another_size_is_followed_at_once(api: Api) -> None:
    answer(api, 1000)
    seldom = {"SLUICE_STREAM_SECONDS": "60"}
    with Terminal(80, 12) as terminal, watch_on(terminal, api, **seldom) as watching:
        for lines, cities in ((12, 6), (20, 14), (9, 3)):
            terminal.resize(80, lines)
            terminal.until(partial(shows, terminal, "1,000", cities))
        terminal.type(b"\x1a")
        terminal.until(lambda: is_stopped(watching.pid))
        terminal.seen.reset()
        watching.send_signal(signal.SIGCONT)
        terminal.until(lambda: shows(terminal, "1,000", 3))
        assert len(api.asked) == 1
        watching.send_signal(signal.SIGTERM)
        terminal.to_the_end()
    assert watching.returncode == 0


def test_what_is_drawn_is_no_larger_than_the_terminal_whatever_the_environment_says(api: Api) -> None:
    answer(api, 1000)
    larger = {"COLUMNS": "300", "LINES": "50"}
    with Terminal(80, 12) as terminal, watch_on(terminal, api, **larger) as watching:
        terminal.until(lambda: shows(terminal, "1,000", 6))
        answer(api, 2000)
        terminal.until(lambda: shows(terminal, "2,000", 6))
        assert terminal.scrolled == 0
        watching.send_signal(signal.SIGTERM)
        terminal.to_the_end()


def test_while_the_api_is_away_the_former_answer_stays_with_a_line_that_says_so(api: Api) -> None:
    with Terminal(80, 24) as terminal, watch_on(terminal, api) as watching:
        terminal.until(lambda: shows(terminal, "19,960"))
        api.answers[PATH] = (503, {"detail": "not now"})
        terminal.until(lambda: any("answered 503: not now" in row for row in terminal.rows))
        assert shows(terminal, "19,960")
        answer(api, 2000, cities=1)
        terminal.until(lambda: shows(terminal, "2,000"))
        assert not any("503" in row for row in terminal.rows)
        watching.send_signal(signal.SIGTERM)
        terminal.to_the_end()


def test_a_dumb_terminal_gets_one_answer_after_the_other(api: Api) -> None:
    with Terminal(80, 24) as terminal, watch_on(terminal, api, TERM="dumb") as watching:
        terminal.until(lambda: b"19,960" in terminal.said)
        answer(api, 2000, cities=2)
        terminal.until(lambda: b" 2,000 " in terminal.said)
        watching.send_signal(signal.SIGTERM)
        terminal.to_the_end()
    assert b"\x1b" not in terminal.said
    assert terminal.said.count(b"kpi_gmv  as of") == 2


def test_watch_in_a_pipe_prints_a_table_at_each_change(api: Api) -> None:
    with watch(api, text=True) as watching:
        assert watching.stdout is not None
        first = [watching.stdout.readline() for _ in range(6)]
        rows = [{**ROWS[0], "bookings": 100}]
        api.answers[PATH] = (200, {**ANSWER, "rows": rows, "complete": False,
                                   "incomplete_because": ["events.raw-0: gone"]})  # fmt: skip
        second = [watching.stdout.readline() for _ in range(5)]
        api.answers[PATH] = (503, {"detail": "not now"})
        assert watching.stderr is not None
        complaint = watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=10)
    assert "19,960" in first[4], first
    assert first[5] == "\n"
    assert "complete: NO" in second[0]
    assert second[1] == "  events.raw-0: gone\n"
    assert " 100 " in second[4], second
    assert complaint == f"sluice: the api at {api.url} answered 503: not now\n"
    assert watching.returncode == 0


def test_watch_in_tsv_writes_each_answer_whole(api: Api) -> None:
    with watch(api, "--tsv", text=True) as watching:
        assert watching.stdout is not None
        first = [watching.stdout.readline() for _ in range(3)]
        answer(api, 2000, cities=1)
        second = [watching.stdout.readline() for _ in range(2)]
        watching.send_signal(signal.SIGTERM)
        watching.communicate(timeout=10)
    assert first[2] == "london\tGBP\t19960\t1066668454\t0.0227\n"
    assert second == [first[0], "city-00\tGBP\t2000\t1066668454\t0.0227\n"]


def test_a_pipe_that_is_closed_ends_a_watch(api: Api) -> None:
    with watch(api) as watching:
        assert watching.stdout is not None
        watching.stdout.readline()
        watching.stdout.close()
        api.answers[PATH] = (200, {**ANSWER, "rows": []})
        assert watching.wait(10) == 0
        assert watching.stderr is not None
        assert watching.stderr.read() == b""


def test_status_is_not_all_right_before_the_doctor_has_looked(api: Api) -> None:
    """And nothing else is written over what is drawn."""
    now = "2026-03-01T12:00:00Z"
    api.answers |= {
        "/readyz": (200, {"status": "ready"}),
        "/v1/pipeline": (200, {"as_of": now, "bronze_unknown_because": None, "views": [], "rows": []}),
        "/v1/gates": (200, {"as_of": now, "gates": []}),
        "/v1/alarms": (200, {"as_of": now, "open": 0, "rows": []}),
        "/v1/views/ops_quarantine": (200, {"rows": []}),
    }
    environ = {**os.environ, "SLUICE_API_URL": api.url, "SLUICE_KAFKA": "127.0.0.1:1"}
    command = [sys.executable, "-m", "streams.cli.main", "status", "--watch"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(command, env=environ, text=True, **pipes) as watching:
        assert watching.stdout is not None
        lines = iter(watching.stdout.readline, "")
        assert next(lines) == "nothing wrong so far: the doctor is looking\n"
        verdict = next(line for line in lines if line.startswith(("all right", "NOT ALL RIGHT")))
        assert verdict.startswith("NOT ALL RIGHT")
        watching.send_signal(signal.SIGTERM)
        _, complaints = watching.communicate(timeout=20)
    assert (watching.returncode, complaints) == (0, "")
