"""`sluice explain` with an api that answers what the test says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streams.cli.explain_page import explain_page
from streams.cli.main import main
from tests.support.api import Api, answering
from tests.support.golden import Golden
from tests.support.terminal import every_screen

MOST = 2**53 - 1
LONG = "llanfair" * 8
PATH = "/v1/views/kpi_gmv/explain"
EVENT = {
    "event_id": "e1", "event": "booking.confirmed", "occurred_at": "2026-11-23T07:00:00.5Z",
    "topic": "events.raw", "partition": 3, "offset": 17, "amount": 123456, "city": "london",
    "currency": "GBP",
}  # fmt: skip
ANSWER: dict[str, Any] = {
    "view": "kpi_gmv", "kind": "windowed", "as_of": "2026-11-23T07:04:05Z", "from": "2026-11-23T06:04:00Z",
    "to": "2026-11-23T07:04:00Z", "rows": [{"city": "london", "currency": "GBP", "gmv_minor": 123456}],
    "adds_up": True, "differences": [], "notes": [],
    "partitions": [{
        "topic": "events.raw", "partition": 3, "first_offset": 0, "checkpoint_offset": 1200,
        "bronze_offset": 1000, "kafka_records": 200,
    }],
    "events": [{
        "event": "booking.confirmed", "currency": "GBP", "records": 1, "bookings": 1, "gmv_minor": 123456,
        "cancellations": 0,
    }],
    "newest": [EVENT], "largest": [EVENT],
    "left_out": [{"why": "duplicate", "records": 1234, "examples": [
        {**EVENT, "offset": 18, "amount": None, "because": "offset 17 of its partition has its event_id"},
    ]}],
    "sources": {"bronze": 1, "kafka": 0},
}  # fmt: skip


@pytest.fixture
def api() -> Iterator[Api]:
    with answering() as api:
        api.answers[PATH] = (200, ANSWER)
        yield api


def explain(api: Api, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments, "--api", api.url])


def test_events_are_shown_with_what_they_add_and_where_they_are(api: Api) -> None:
    lines = [" ".join(line.split()) for line in explain(api, "kpi_gmv").output.splitlines()]
    assert lines[:4] == [
        "kpi_gmv as of 2026-11-23 07:04:05 UTC · from 2026-11-23 06:04:00 to 2026-11-23 07:04:00",
        "1 rows; the events (1 from bronze and 0 from kafka) add up to them",
        "events.raw-3: offsets 0 to 1,199, 200 records of them from Kafka",
        "",
    ]
    assert lines[4:7] == [
        "What they add", "event currency records bookings gmv", "booking.confirmed GBP 1 1 1,234.56",
    ]  # fmt: skip
    shown = "2026-11-23 07:00:00 booking.confirmed e1 london GBP 1,234.56 events.raw-3@17"
    assert lines[8:11] == ["The newest", "occurred event event id city currency amount place", shown]
    assert lines[14] == shown
    assert lines[16] == "Left out as duplicate: 1,234"
    assert lines[18].endswith("GBP - events.raw-3@18 offset 17 of its partition has its event_id")


def test_what_does_not_add_up_is_said_and_why_it_is_not_known(api: Api) -> None:
    difference = {"row": {"city": "london"}, "measure": "gmv_minor", "live": 5, "computed": 6}
    api.answers[PATH] = (200, {**ANSWER, "adds_up": False, "differences": [difference]})
    found = explain(api, "kpi_gmv")
    text = found.output
    assert (found.exit_code, explain(api, "kpi_gmv", "--json").exit_code) == (1, 1)
    assert "do NOT add up" in text
    assert "city london: gmv_minor is 0.05, and 0.06 by its events" in text
    api.answers[PATH] = (200, {**ANSWER, "adds_up": None, "notes": ["records were lost"]})
    found = explain(api, "kpi_gmv")
    text = found.output
    assert found.exit_code == 0
    assert "is not known" in text
    assert "records were lost" in text


def test_what_they_add_is_a_line_of_tsv(api: Api) -> None:
    found = explain(api, "kpi_gmv", "--tsv")
    assert (found.exit_code, found.stdout.splitlines()) == (0, [
        "event\tcurrency\trecords\tbookings\tgmv_minor\tcancellations",
        "booking.confirmed\tGBP\t1\t1\t123456\t0",
    ])  # fmt: skip
    api.answers[PATH] = (200, {**ANSWER, "adds_up": False, "events": [], "notes": ["records were lost"]})
    found = explain(api, "kpi_gmv", "--tsv")
    assert (found.exit_code, found.stdout) == (1, "event\trecords\n")
    assert "do NOT add up" in found.stderr
    assert "sluice: records were lost" in found.stderr


def test_a_page(golden: Golden) -> None:
    golden.holds("explain", every_screen(lambda screen: explain_page(ANSWER, screen)))


def test_a_page_with_the_longest_of_all(golden: Golden) -> None:
    event = {**EVENT, "event_id": LONG, "offset": MOST, "amount": MOST, "city": LONG}
    left_out = {**event, "amount": None, "because": "an earlier record of its partition has its event_id"}
    row = {"city": None, "currency": "GBP"}
    answer = {
        **ANSWER, "adds_up": False, "notes": ["events.raw-3: no worker has reported on it for 10 s"],
        "differences": [{"row": row, "measure": "gmv_minor", "live": MOST, "computed": None}],
        "newest": [event, EVENT], "largest": [event],
        "left_out": [{"why": "duplicate", "records": MOST, "examples": [left_out]}],
    }  # fmt: skip
    golden.holds("explain_largest", every_screen(lambda screen: explain_page(answer, screen)))


@pytest.mark.parametrize(
    "words",
    [
        ("kpi_gmv", "--city", "london,paris", "--currency=GBP", "--window", "1h"),
        ("--city", "london,paris", "--window", "1h", "kpi_gmv", "--currency", "GBP"),
    ],
)
def test_the_rows_are_chosen_by_the_dimensions(api: Api, words: tuple[str, ...]) -> None:
    assert explain(api, *words).exit_code == 0
    assert api.asked == [(PATH, [("window", "1h"), ("city", "london,paris"), ("currency", "GBP")])]


def test_null_is_an_empty_value(api: Api) -> None:
    explain(api, "kpi_gmv", "--city=", "--from", "2026-01-01T00:00:00Z")
    assert api.asked[0][1] == [("from", "2026-01-01T00:00:00Z"), ("city", "")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Name one view, not 0"),
        (("kpi_gmv", "kpi_funnel"), "Name one view, not 2"),
        (("kpi_gmv", "--city"), "--city has no value"),
        (("kpi_gmv", "-c", "london"), "-c is not --dimension value"),
    ],
)
def test_what_is_not_understood_is_wrong_usage(api: Api, words: tuple[str, ...], said: str) -> None:
    found = explain(api, *words)
    assert (found.exit_code, said in found.stderr, api.asked) == (2, True, [])


def test_what_the_api_says_is_passed_on(api: Api) -> None:
    assert json.loads(explain(api, "kpi_gmv", "--json").stdout) == ANSWER
    api.answers[PATH] = (503, {"detail": "there is no Bronze"})
    found = explain(api, "kpi_gmv")
    assert (found.exit_code, "answered 503: there is no Bronze" in found.stderr) == (1, True)
    api.answers[PATH] = (400, {"detail": "citty: is no parameter here"})
    found = explain(api, "kpi_gmv", "--citty", "x")
    assert (found.exit_code, "citty: is no parameter" in found.stderr) == (2, True)
