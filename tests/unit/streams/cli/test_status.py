"""`sluice status`, `gates` and `alarms`: what they show, what they call a problem, how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from streams.cli.main import main
from streams.cli.status_page import status_page
from streams.cli.status_problems import problems_of
from tests.support.api import Api, answering
from tests.support.golden import Golden
from tests.support.terminal import every_screen, every_way

MOST = 2**53 - 1
LONG_CITY = "llanfair" * 8
NOW = "2026-03-01T12:00:00Z"
STALE = "events.raw-3: no worker has reported on it for 10 s"


def gate(city: str | None, currency: str, state: str, reason: str, variance: int = 120_000) -> dict[str, Any]:
    return {
        "gate": "recon", "city": city, "currency": currency, "state": state, "open": state in ("ok", "warn"),
        "previous": "ok", "since": "2026-03-01T11:20:00Z", "evaluated_at": NOW, "valid_until": NOW,
        "variance_minor": variance, "variance_ratio": 0.12, "charges_minor": 1_000_000, "window_from": NOW,
        "window_to": NOW, "reason": reason, "warn_at": 0.02, "alarm_at": 0.05,
    }  # fmt: skip


def alarm(subject: str, code: str, cleared: str | None = None) -> dict[str, Any]:
    return {
        "alarm_id": f"{subject}/1", "code": code, "severity": "critical", "subject": subject,
        "state": "raised" if cleared is None else "cleared", "raised_at": "2026-03-01T11:20:00Z",
        "cleared_at": cleared, "detail": f"gate {subject} is alarm: charges 1000000, variance_ratio 0.1200",
        "meaning": "a data quality check failed", "runbook": f"docs/runbooks.md#{code.lower()}",
    }  # fmt: skip


def partition(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "topic": "events.raw", "partition": number, "worker": "sluice-views-0-30481-b2542a9a",
        "heard_seconds": 0.4, "watermark": NOW, "checkpoint_offset": 7, "lag_records": 0,
        "freshness_seconds": 0.3, "incomplete_because": None, "bronze_offset": 5, "bronze_lag_records": 12,
        "bronze_oldest_seconds": 7.6, **changes,
    }  # fmt: skip


GATES = [
    gate("london", "GBP", "alarm", "variance is 12% of charges, above 5%"),
    gate(None, "EUR", "stale", STALE),
    gate("paris", "EUR", "ok", "variance is 1% of charges, not above 2%"),
    gate(LONG_CITY, "JPY", "warn", "variance is 3% of charges, above 2%, and not above 5%", MOST),
]
ALARMS = [
    alarm("recon/london|GBP", "QUALITY_CHECK_FAILED"),
    alarm("events.raw-3", "PIPELINE_LAG_EXCEEDED"),
    alarm("recon/london|GBP", "QUALITY_CHECK_FAILED", "2026-03-01T11:50:00Z"),
]
BAD = [{"reason": "envelope_field", "quarantined": 349}, {"reason": "not_json", "quarantined": 1_234_567}]
VIEWS = [
    {"view": "kpi_gmv", "complete": False, "freshness_seconds": None, "incomplete_because": [STALE]},
    {"view": "trust_idv", "complete": True, "freshness_seconds": 0.3, "incomplete_because": []},
]
WRONG = {"what": "gates worker", "state": "wrong", "found": "no gates worker", "mend": "start one"}
NOTE = {"what": "api", "state": "note", "found": "nothing answers", "mend": "start it"}


def facts(**changes: Any) -> dict[str, Any]:
    """What there is to say of a pipeline; all is right, but for these changes."""
    found = {
        "as_of": NOW, "api": "http://127.0.0.1:8080", "waiting_for": None, "gates": GATES[2:], "alarms": [],
        "views": VIEWS[1:], "partitions": [partition(0)], "bronze_unknown_because": None, "quarantined": BAD,
        "doctor": [NOTE], **changes,
    }  # fmt: skip
    return {"problems": problems_of(found, 660.0), **found}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"waiting_for": "the feed to be read"}, ["the api is not ready: the feed to be read"]),
        ({"gates": GATES[:1]}, ["gate london GBP is closed (alarm): variance is 12% of charges, above 5%"]),
        ({"gates": GATES[1:2]}, [f"gate (no city) EUR is closed (stale): {STALE}"]),
        ({"alarms": ALARMS[:1]}, []),
        ({"alarms": ALARMS[1:2]}, [f"alarm PIPELINE_LAG_EXCEEDED is open: {ALARMS[1]['detail']}"]),
        ({"views": VIEWS}, [f"kpi_gmv incomplete: {STALE}"]),
        ({"views": [VIEWS[0], {**VIEWS[0], "view": "b"}]}, [f"2 views incomplete: {STALE}"]),
        (
            {"bronze_unknown_because": "connection refused"},
            ["how far Bronze is is not known: connection refused"],
        ),
        (
            {
                "partitions": [
                    partition(0, bronze_oldest_seconds=660.0),
                    partition(1, bronze_oldest_seconds=None),
                ]
            },
            [],
        ),
        (
            {
                "partitions": [
                    partition(0, bronze_oldest_seconds=661.0),
                    partition(1, bronze_oldest_seconds=7200),
                ]
            },
            ["Bronze lacks records of 2 partitions, the oldest 2 h old (events.raw-1)"],
        ),
        ({"doctor": [WRONG, NOTE]}, ["gates worker: no gates worker"]),
        ({"doctor": None}, []),
    ],
)
def test_what_is_not_all_right(changes: dict[str, Any], said: list[str]) -> None:
    assert facts(**changes)["problems"] == said


def test_a_page_where_all_is_right(golden: Golden) -> None:
    golden.holds("status", every_screen(lambda screen: status_page(facts(), screen)))


def test_a_page_where_nothing_is(golden: Golden) -> None:
    late = partition(
        3, worker=None, lag_records=MOST, freshness_seconds=93_784.0, incomplete_because=STALE,
        bronze_lag_records=None, bronze_oldest_seconds=None,
    )  # fmt: skip
    found = facts(
        gates=GATES, alarms=ALARMS[:2], views=VIEWS, partitions=[partition(0), late], doctor=[WRONG, NOTE]
    )
    golden.holds("status_wrong", every_screen(lambda screen: status_page(found, screen)))


@pytest.fixture
def api() -> Iterator[Api]:
    with answering() as api:
        api.answers |= {
            "/readyz": (200, {"status": "ready"}),
            "/v1/pipeline": (
                200,
                {"as_of": NOW, "bronze_unknown_because": None, "views": VIEWS[1:], "rows": [partition(0)]},
            ),
            "/v1/gates/recon": (200, {"gate": "recon", "as_of": NOW, "rows": GATES[2:]}),
            "/v1/alarms": (200, {"as_of": NOW, "open": 0, "rows": []}),
            "/v1/views/ops_quarantine": (200, {"rows": [*BAD, {"reason": None, "quarantined": 0}]}),
        }
        yield api


def test_the_gates(api: Api, golden: Golden) -> None:
    api.answers["/v1/gates/recon"] = (200, {"gate": "recon", "as_of": NOW, "rows": GATES})
    api.answers["/v1/alarms"] = (200, {"as_of": NOW, "open": 2, "rows": ALARMS})
    golden.holds("gates", every_way(["gates", "--api", api.url]))
    golden.holds("gates_history", every_way(["gates", "--history", "--api", api.url]))


def test_the_alarms(api: Api, golden: Golden) -> None:
    api.answers["/v1/alarms"] = (200, {"as_of": NOW, "open": 2, "rows": ALARMS})
    golden.holds("alarms", every_way(["alarms", "--api", api.url]))


def test_no_gates_and_no_alarms(api: Api) -> None:
    api.answers["/v1/gates/recon"] = (200, {"gate": "recon", "as_of": NOW, "rows": []})
    assert CliRunner().invoke(main, ["gates", "--api", api.url]).output.startswith("no gates")
    assert CliRunner().invoke(main, ["alarms", "--open", "--api", api.url]).output == "alarms: none is open\n"
    assert ("/v1/alarms", [("state", "raised")]) in api.asked


def test_the_exit_code_says_whether_all_is_right(api: Api) -> None:
    done = CliRunner().invoke(main, ["status", "--api", api.url])
    assert (done.exit_code, done.output.splitlines()[0]) == (0, "all right")
    api.answers["/v1/gates/recon"] = (200, {"gate": "recon", "as_of": NOW, "rows": GATES[:1]})
    done = CliRunner().invoke(main, ["status", "--api", api.url, "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["problems"] == [
        "gate london GBP is closed (alarm): variance is 12% of charges, above 5%"
    ]
    api.answers["/readyz"] = (
        503,
        {"title": "Service Unavailable", "status": 503, "detail": "waiting for Kafka"},
    )
    done = CliRunner().invoke(main, ["status", "--api", api.url])
    assert (done.exit_code, "the api is not ready: waiting for Kafka" in done.output) == (1, True)


def test_without_an_api_it_says_so_and_what_the_doctor_says() -> None:
    done = CliRunner().invoke(main, ["status", "--api", "http://127.0.0.1:1"])
    assert done.exit_code == 1
    assert "does not answer" in done.output
    away = {"SLUICE_HTTP_PORT": "1", "SLUICE_KAFKA": "127.0.0.1:1"}
    done = CliRunner().invoke(main, ["status"], env=away)
    assert done.exit_code == 1
    assert "doctor" in done.output
    assert "kafka answers: could not be looked at" in done.output or "127.0.0.1:1" in done.output


def test_who_may_not_see_bad_records_is_shown_none(api: Api) -> None:
    api.answers["/v1/views/ops_quarantine"] = (403, {"detail": "not for you"})
    done = CliRunner().invoke(main, ["status", "--api", api.url])
    assert done.exit_code == 0
    assert done.output.rstrip().endswith("quarantined in the last hour\nnone")


def test_who_is_not_known_is_told_which_setting(api: Api) -> None:
    for path in ("/v1/gates/recon", "/v1/pipeline"):
        api.answers[path] = (401, {"title": "Unauthorized", "status": 401, "detail": "a token is needed"})
    for command in ("gates", "status"):
        done = CliRunner().invoke(main, [command, "--api", api.url])
        assert done.exit_code == 1
        assert "SLUICE_API_TOKEN_FILE" in done.output
