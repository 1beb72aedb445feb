"""`sluice views` against an api that answers what the test says."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from click.testing import CliRunner, Result

from streams.cli.main import main
from tests.support.programs import ignoring_interrupts, started

ROWS: list[dict[str, Any]] = [
    {"city": None, "currency": "JPY", "bookings": 3, "gmv_minor": 1234567, "take_rate": None},
    {"city": "london", "currency": "GBP", "bookings": 19960, "gmv_minor": 1066668454, "take_rate": 0.0227},
]
PARTITIONS = [
    {"topic": "events.raw", "partition": 0, "watermark": None, "checkpoint_offset": 7, "lag_records": 0},
    {"topic": "events.raw", "partition": 1, "watermark": None, "checkpoint_offset": 5, "lag_records": 1234},
    dict.fromkeys(("watermark", "checkpoint_offset", "lag_records"))
    | {"topic": "events.raw", "partition": 2},
]
ANSWER = {
    "view": "kpi_gmv", "kind": "windowed", "as_of": "2026-11-23T07:04:05.5Z", "from": "2026-11-22T07:04:00Z",
    "to": "2026-11-23T07:04:05.5Z", "watermark": None, "freshness_seconds": 0.34, "complete": True,
    "partitions": PARTITIONS[:1], "rows": ROWS,
}  # fmt: skip
VIEWS = {
    "views": [
        {"name": "kpi_gmv", "kind": "windowed", "dimensions": ["city"], "measures": [], "description": "GMV"}
    ]
}
PROBLEM = {"title": "Not Found", "status": 404, "detail": "there is no view 'x'", "views": ["a", "b"]}


class Api:
    """Answers by path; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {
            "/v1/views": (200, VIEWS),
            "/v1/views/kpi_gmv": (200, ANSWER),
        }
        self.asked: list[tuple[str, list[tuple[str, str]]]] = []
        self.came = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                api.asked.append((parts.path, parse_qsl(parts.query, keep_blank_values=True)))
                api.came.set()
                status, answer = api.answers.get(parts.path, (404, PROBLEM))
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield api
    api.server.shutdown()
    api.server.server_close()
    thread.join()


def ask(api: Api, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["views", *arguments, "--api", api.url])


def test_a_view_is_a_table_to_read(api: Api) -> None:
    lines = ask(api, "kpi_gmv").output.splitlines()
    assert lines[0].startswith("kpi_gmv  as of 2026-11-23 07:04:05 UTC · from 2026-11-22 07:04:00")
    assert lines[0].endswith("fresh to 0.3 s · complete: yes")
    assert [line.split() for line in lines[2:]] == [
        ["city", "currency", "bookings", "gmv", "take", "rate"],
        ["-", "JPY", "3", "1,234,567", "-"],
        ["london", "GBP", "19,960", "10,666,684.54", "2.27%"],
    ]


def test_what_is_asked_reaches_the_api(api: Api) -> None:
    options = ["--window", "7d", "--as-of", "watermark", "--step", "5m", "--group-by", "city,currency"]
    filters = ["--filter", "city=london", "--filter", "city=", "--filter", "currency=GBP"]
    assert ask(api, "kpi_gmv", *options, *filters).exit_code == 0
    assert sorted(api.asked[0][1]) == sorted([
        ("window", "7d"), ("as_of", "watermark"), ("step", "5m"), ("group_by", "city,currency"),
        ("city", "london"), ("city", ""), ("currency", "GBP"),
    ])  # fmt: skip
    ask(api, "kpi_gmv", "--from", "2026-01-01T00:00:00+01:00", "--to", "2026-02-01T00:00:00Z")
    assert api.asked[1][1] == [("from", "2026-01-01T00:00:00+01:00"), ("to", "2026-02-01T00:00:00Z")]


def test_an_incomplete_answer_names_what_lags(api: Api) -> None:
    api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "complete": False, "partitions": PARTITIONS})
    lines = ask(api, "kpi_gmv").output.splitlines()
    assert lines[0].endswith("complete: NO")
    assert lines[1:3] == [
        "  events.raw-2: no worker reports on it",
        "  events.raw-1: 1,234 records behind",
    ]


def test_no_rows_is_said(api: Api) -> None:
    api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "rows": []})
    assert ask(api, "kpi_gmv").output.endswith("no rows\n")


def test_json_is_the_apis_answer(api: Api) -> None:
    assert json.loads(ask(api, "kpi_gmv", "--json").output) == ANSWER
    assert json.loads(ask(api, "--json").output) == VIEWS


def test_without_a_name_the_views_are_listed(api: Api) -> None:
    assert ask(api).output.split() == [
        "view",
        "kind",
        "dimensions",
        "description",
        "kpi_gmv",
        "windowed",
        "city",
        "GMV",
    ]


def test_entities_are_asked_for_on_their_own_route(api: Api) -> None:
    entity = {"payout_id": "po-1", "city": "london", "state": "open", "amount_minor": 5, "currency": "GBP"}
    answer = {
        **ANSWER,
        "view": "ops_payout_backlog",
        "from": None,
        "to": None,
        "rows": [entity],
        "cursor": "abc",
    }
    api.answers["/v1/views/ops_payout_backlog/entities"] = (200, answer)
    done = ask(api, "ops_payout_backlog", "--entities", "--state", "open", "--limit", "5")
    assert api.asked[0][1] == [("state", "open"), ("limit", "5")]
    assert "po-1" in done.output
    assert "0.05" in done.output
    assert "--cursor abc" in done.output


def test_an_unknown_view_lists_those_there_are(api: Api) -> None:
    done = ask(api, "x")
    assert done.exit_code == 2
    assert done.output == "sluice: there is no view 'x'; there are: a, b\n"


@pytest.mark.parametrize("option", [["--filter", "london"], ["--state", "open"], ["--limit", "0"]])
def test_wrong_options_are_wrong_usage(api: Api, option: list[str]) -> None:
    assert ask(api, "kpi_gmv", *option).exit_code == 2
    assert api.asked == []


def test_an_api_that_fails_or_is_away_is_one_line_and_exit_code_1(api: Api) -> None:
    api.answers["/v1/views/kpi_gmv"] = (500, {"detail": "no"})
    done = ask(api, "kpi_gmv")
    assert (done.exit_code, done.output) == (1, f"sluice: the api at {api.url} answered 500: no\n")
    done = CliRunner().invoke(main, ["views", "--api", "http://127.0.0.1:1"])
    assert done.exit_code == 1
    assert done.output.startswith("sluice: the api at http://127.0.0.1:1 does not answer (")
    assert done.output.count("\n") == 1
    assert CliRunner().invoke(main, ["views", "--api", "ftp://x"]).exit_code == 1


def test_the_default_address_follows_the_settings(api: Api) -> None:
    environment = {"SLUICE_HTTP_HOST": "0.0.0.0", "SLUICE_HTTP_PORT": api.url.rpartition(":")[2]}
    assert CliRunner().invoke(main, ["views"], env=environment).exit_code == 0


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


def test_a_count_and_an_amount_have_headings_of_their_own(api: Api) -> None:
    row = {"city": "ulm", "currency": "GBP", "open": 1, "open_minor": 5, "backlog": 2, "backlog_minor": 7,
           "oldest_seconds": 3, "gmv_minor": 9}  # fmt: skip
    api.answers["/v1/views/kpi_gmv"] = (200, {**ANSWER, "rows": [row]})
    heading = ask(api, "kpi_gmv").output.splitlines()[2]
    assert [" ".join(name.split()) for name in heading.split("  ") if name.strip()] == [
        "city", "currency", "open", "open amount", "backlog", "backlog amount", "oldest", "gmv",
    ]  # fmt: skip


def test_an_incomplete_answer_says_which_partitions_and_why(api: Api) -> None:
    behind = {**PARTITIONS[1], "incomplete_because": "a record has been unread for over 60 s"}
    lost = {
        **PARTITIONS[0],
        "incomplete_because": "records were lost: Kafka deleted the offsets 3 to 4 unread",
    }
    because = [f"events.raw-{p['partition']}: {p['incomplete_because']}" for p in (lost, behind)]
    answer = {**ANSWER, "complete": False, "partitions": [lost, behind], "incomplete_because": because,
              "warnings": ["no such city: londn; did you mean london?"]}  # fmt: skip
    api.answers["/v1/views/kpi_gmv"] = (200, answer)
    assert ask(api, "kpi_gmv").output.splitlines()[1:4] == [
        "  events.raw-0: records were lost: Kafka deleted the offsets 3 to 4 unread",
        "  events.raw-1: a record has been unread for over 60 s (1,234 records behind)",
        "  no such city: londn; did you mean london?",
    ]
