"""`sluice status`, `gates` and `alarms`: what they show, what they call a problem, how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from streams.cli.alarms import alarms_page
from streams.cli.gates import ASKED_AT_ONCE
from streams.cli.main import main
from streams.cli.screen import PIPE, Screen
from streams.cli.status_page import status_page, what_counts
from streams.cli.status_problems import LOST as LOST_ID
from streams.cli.status_problems import notes_of, problems_of
from streams.errors import ErrorCode
from tables.gates.alarms import lost_alarm
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
        "measure": "variance_ratio", "value": 0.12, "override": None,
        "key": {"city": city, "currency": currency},
    }  # fmt: skip


def alarm(subject: str, code: str, cleared: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "alarm_id": f"{subject}/1", "code": code, "severity": "critical", "subject": subject,
        "state": "raised" if cleared is None else "cleared", "raised_at": "2026-03-01T11:20:00Z",
        "cleared_at": cleared, "detail": f"gate {subject} is alarm: charges 1000000, variance_ratio 0.1200",
        "meaning": "a data quality check failed", "runbook": ErrorCode[code].runbook, **changes,
    }  # fmt: skip


def partition(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "topic": "events.raw", "partition": number, "worker": "sluice-views-0-30481-b2542a9a",
        "heard_seconds": 0.4, "watermark": NOW, "checkpoint_offset": 7, "lag_records": 0,
        "freshness_seconds": 0.3, "incomplete_because": None, "bronze_offset": 5, "bronze_lag_records": 12,
        "bronze_oldest_seconds": 7.6, **changes,
    }  # fmt: skip


LISTED = {
    "as_of": NOW,
    "gates": [{"name": "recon", "dimensions": ["city", "currency"], "states": {"ok": 2, "alarm": 1}}],
}
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
LOST = alarm(
    "events.raw-1", "PIPELINE_LAG_EXCEEDED", alarm_id="lost/bronze/events.raw/1/5",
    detail="bronze: Kafka has deleted events.raw-1 offsets 5 to 11 before they were read",
)  # fmt: skip
OLD_LOSS = {**LOST, "raised_at": "2026-02-28T11:59:59Z"}
BAD = [{"reason": "envelope_field", "quarantined": 349}, {"reason": "not_json", "quarantined": 1_234_567}]
VIEWS = [
    {"view": "kpi_gmv", "complete": False, "freshness_seconds": None, "incomplete_because": [STALE]},
    {"view": "trust_idv", "complete": True, "freshness_seconds": 0.3, "incomplete_because": []},
]
WRONG = {
    "what": "gates worker",
    "state": "wrong",
    "found": "no gates worker",
    "mend": "start one",
    "runbook": "docs/runbooks/worker-down.md",
}
NOTE = {"what": "api", "state": "note", "found": "nothing answers", "mend": "start it", "runbook": ""}


def facts(**changes: Any) -> dict[str, Any]:
    """What there is to say of a pipeline; all is right, but for these changes."""
    found = {
        "as_of": NOW, "api": "http://127.0.0.1:8080", "without": [], "waiting_for": None, "gates": GATES[2:],
        "alarms": [], "alarms_unknown_because": None, "views": VIEWS[1:], "partitions": [partition(0)],
        "bronze_unknown_because": None, "quarantined": BAD, "quarantined_unknown_because": None,
        "doctor": [NOTE], "doctor_looking": False, **changes,
    }  # fmt: skip
    found.setdefault("alarms_open", len(found["alarms"] or ()))
    return {"problems": problems_of(found, 660.0), "notes": notes_of(found), **found}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"waiting_for": "the feed to be read"}, ["the api is not ready: the feed to be read"]),
        (
            {"gates": GATES[:1]},
            ["gate recon london GBP is closed (alarm): variance is 12% of charges, above 5%"],
        ),
        ({"gates": GATES[1:2]}, [f"gate recon (no city) EUR is closed (stale): {STALE}"]),
        ({"alarms": ALARMS[:1]}, []),
        ({"alarms": ALARMS[1:2]}, [f"alarm PIPELINE_LAG_EXCEEDED is open: {ALARMS[1]['detail']}"]),
        ({"alarms": [LOST]}, [f"alarm PIPELINE_LAG_EXCEEDED is open: {LOST['detail']}"]),
        ({"alarms": [OLD_LOSS]}, []),
        ({"alarms": [{**ALARMS[1], "raised_at": OLD_LOSS["raised_at"]}]},
         [f"alarm PIPELINE_LAG_EXCEEDED is open: {ALARMS[1]['detail']}"]),
        ({"alarms": ALARMS[:1], "alarms_open": 1235}, ["1,234 more alarms are open: `sluice alarms --open`"]),
        ({"alarms_unknown_because": "Kafka is away"}, ["newer alarms may be missing: Kafka is away"]),
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
        ({"without": ["bronze"], "bronze_unknown_because": "there is no group"}, []),
        ({"without": ["bronze"], "partitions": [partition(0, bronze_oldest_seconds=661.0)]}, []),
        ({"without": ["gates"], "gates": None}, []),
    ],
)  # fmt: skip
def test_what_is_not_all_right(changes: dict[str, Any], said: list[str]) -> None:
    assert facts(**changes)["problems"] == said


def test_a_loss_of_more_than_a_day_ago_is_a_note() -> None:
    found = facts(alarms=[LOST, OLD_LOSS])
    assert found["notes"] == [f"alarm PIPELINE_LAG_EXCEEDED of 2026-02-28 11:59:59 UTC: {OLD_LOSS['detail']}"]
    shown = status_page(facts(alarms=[OLD_LOSS]), PIPE).lines()
    assert shown[0] == "all right"
    assert f"  - {found['notes'][0]}" in shown
    made = lost_alarm("bronze", "events.raw", 1, (5, 12), code="C", severity="critical", at_us=0)
    assert made.alarm_id.startswith(LOST_ID)


def test_what_is_not_known_is_not_called_none() -> None:
    unready = {"waiting_for": "the feed", "gates": None, "alarms": None}
    unknown = {"quarantined": None, "quarantined_unknown_because": "there is no view ops_quarantine"}
    shown = status_page(facts(**unready, **unknown), PIPE).lines()
    for title in ("gates", "alarms"):
        assert shown[shown.index(title) + 1] == "not known: the api is not ready"
    said = shown[shown.index("quarantined in the last hour") + 1]
    assert said == "not known: there is no view ops_quarantine"


def test_nothing_is_all_right_before_the_doctor_has_looked() -> None:
    looking = facts(doctor=None, doctor_looking=True)
    shown = status_page(looking, PIPE).lines()
    assert shown[0] == "nothing wrong so far: the doctor is looking"
    assert shown[-2:] == ["doctor", "looking"]
    assert what_counts(looking) != what_counts(facts(doctor=None))


def test_what_is_not_run_on_purpose_is_not_shown() -> None:
    shown = "\n".join(status_page(facts(without=["bronze", "gates"], gates=None), PIPE).lines())
    assert "gates" not in shown
    assert "Bronze" not in shown


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"gates": GATES[:1]}, True),
        ({"gates": None}, True),
        ({"gates": [{**GATES[2], "evaluated_at": "2026-03-01T12:00:01Z"}, GATES[3]]}, False),
        ({"alarms": ALARMS[:1]}, True),
        ({"alarms": [OLD_LOSS]}, True),
        ({"alarms_unknown_because": "Kafka is away"}, True),
        ({"views": VIEWS[:1]}, True),
        ({"views": [{**VIEWS[1], "freshness_seconds": 1.5}]}, False),
        ({"partitions": [partition(0, watermark="2026-03-01T12:00:01Z", checkpoint_offset=8)]}, False),
        ({"partitions": [partition(0, bronze_offset=6, bronze_oldest_seconds=8.6)]}, False),
        ({"partitions": [partition(0, worker="another")]}, True),
        ({"quarantined": BAD[:1]}, True),
        ({"quarantined": None, "quarantined_unknown_because": "no"}, True),
        ({"as_of": "2026-03-01T12:00:01Z"}, False),
    ],
)
def test_what_grows_by_itself_makes_no_other_answer(changes: dict[str, Any], counts: bool) -> None:
    assert (what_counts(facts(**changes)) != what_counts(facts())) == counts


def test_neither_does_a_loss_that_grows_old() -> None:
    later = facts(alarms=[OLD_LOSS], as_of="2026-03-09T12:00:00Z")
    assert what_counts(later) == what_counts(facts(alarms=[OLD_LOSS]))


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
            "/v1/gates": (200, LISTED),
            "/v1/gates/recon": (200, {"gate": "recon", "as_of": NOW, "rows": GATES[2:]}),
            "/v1/alarms": (200, {"as_of": NOW, "open": 0, "rows": []}),
            "/v1/views/ops_quarantine": (200, {"rows": [*BAD, {"reason": None, "quarantined": 0}]}),
        }
        yield api


def test_the_gates(api: Api, golden: Golden) -> None:
    api.answers["/v1/gates/recon"] = (200, {"gate": "recon", "as_of": NOW, "rows": GATES})
    golden.holds("gates", every_way(["gates", "--api", api.url]))
    of_gates = {"as_of": NOW, "open": 1, "rows": [ALARMS[2], ALARMS[0]]}
    api.answers_by_query["/v1/alarms", "subject"] = (200, of_gates)
    golden.holds("gates_history", every_way(["gates", "--history", "--api", api.url]))


def test_the_alarms(api: Api, golden: Golden) -> None:
    counts = {"open": 2, "critical": 2, "total": 3, "unknown_because": None}
    api.answers["/v1/alarms"] = (200, {"as_of": NOW, **counts, "rows": ALARMS})
    golden.holds("alarms", every_way(["alarms", "--api", api.url]))


def test_the_history_is_asked_of_the_shown_gates_alone(api: Api) -> None:
    many = [gate(f"city-{number}", "GBP", "ok", "") for number in range(ASKED_AT_ONCE + 1)]
    api.answers["/v1/gates/recon"] = (200, {"gate": "recon", "as_of": NOW, "rows": many})
    assert CliRunner().invoke(main, ["gates", "--history", "--api", api.url]).exit_code == 0
    asked = [dict.fromkeys(params) for path, params in api.asked if path == "/v1/alarms"]
    first, second = ([value for name, value in params if name == "subject"] for params in asked)
    assert [*first, *second] == [f"recon/city-{number}|GBP" for number in range(ASKED_AT_ONCE + 1)]
    assert len(first) == ASKED_AT_ONCE


def test_alarms_that_are_not_shown_are_counted(api: Api) -> None:
    counts = {"open": 1500, "critical": 1200, "total": 1502, "unknown_because": "Kafka is away"}
    api.answers["/v1/alarms"] = (200, {"as_of": NOW, **counts, "rows": ALARMS[:2]})
    said = CliRunner().invoke(main, ["alarms", "--api", api.url]).output.splitlines()
    assert said[:2] == ["alarms: 1,500 open, 1,200 critical", "newer alarms may be missing: Kafka is away"]
    assert "and 1,500 more: --limit" in said
    tsv = CliRunner().invoke(main, ["alarms", "--tsv", "--api", api.url])
    assert "and 1,500 more: --limit" in tsv.stderr
    assert len(tsv.stdout.splitlines()) == 3
    found = json.loads(CliRunner().invoke(main, ["status", "--json", "--api", api.url]).stdout)
    assert found["alarms_open"] == 1500
    assert "1,498 more alarms are open: `sluice alarms --open`" in found["problems"]


def test_alarms_are_chosen_by_severity_and_subject(api: Api) -> None:
    chosen = ["--severity", "critical", "--subject", "a|GBP", "--subject", "b"]
    assert CliRunner().invoke(main, ["alarms", *chosen, "--api", api.url]).exit_code == 0
    assert api.asked == [("/v1/alarms", [("severity", "critical"), ("subject", "a|GBP"), ("subject", "b")])]


def test_no_row_of_alarms_loses_its_code_on_a_narrow_terminal() -> None:
    rows = [alarm(f"recon/{LONG_CITY}|GBP", "PIPELINE_LAG_EXCEEDED"), *ALARMS]
    page = alarms_page({"as_of": NOW, "open": 3, "rows": rows}, Screen(80))
    shown = ["\n".join(row) for row in page.rows]
    assert len(shown) == len(rows)
    assert all(row["code"] in text for row, text in zip(rows, shown, strict=True))


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
        "gate recon london GBP is closed (alarm): variance is 12% of charges, above 5%"
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


@pytest.mark.parametrize("status", [403, 404, 429])
def test_who_may_not_see_bad_records_is_told_that_it_is_not_known(api: Api, status: int) -> None:
    api.answers["/v1/views/ops_quarantine"] = (status, {"detail": "not for you"})
    done = CliRunner().invoke(main, ["status", "--api", api.url])
    assert done.exit_code == 0
    assert done.output.rstrip().endswith("quarantined in the last hour\nnot known: not for you")


def test_a_role_that_is_not_run_is_not_asked_for(api: Api) -> None:
    api.answers["/v1/gates/recon"] = (200, {"gate": "recon", "as_of": NOW, "rows": GATES[:1]})
    done = CliRunner().invoke(main, ["status", "--without", "gates", "--without", "bronze", "--api", api.url])
    assert (done.exit_code, "gates" in done.output, "Bronze" in done.output) == (0, False, False)
    assert "/v1/gates/recon" not in [path for path, _ in api.asked]


def test_an_api_that_is_not_ready_is_not_asked_for_what_it_does_not_know(api: Api) -> None:
    api.answers["/readyz"] = (503, {"detail": "waiting for the feed"})
    done = CliRunner().invoke(main, ["status", "--json", "--api", api.url])
    found = json.loads(done.stdout)
    assert (found["gates"], found["alarms"], found["alarms_open"]) == (None, None, None)
    assert (done.exit_code, found["problems"]) == (1, ["the api is not ready: waiting for the feed"])


def test_problems_are_lines_of_tsv(api: Api) -> None:
    command = ["status", "--tsv", "--api", api.url]
    assert CliRunner().invoke(main, command).stdout == "problem\n"
    api.answers["/v1/alarms"] = (200, {"as_of": NOW, "open": 1, "rows": ALARMS[1:2]})
    done = CliRunner().invoke(main, command)
    problem = f"alarm PIPELINE_LAG_EXCEEDED is open: {ALARMS[1]['detail']}"
    assert (done.exit_code, done.stdout) == (1, f"problem\n{problem}\n")


def test_who_is_not_known_is_told_which_setting(api: Api) -> None:
    for path in ("/v1/gates", "/v1/pipeline"):
        api.answers[path] = (401, {"title": "Unauthorized", "status": 401, "detail": "a token is needed"})
    for command in ("gates", "status"):
        done = CliRunner().invoke(main, [command, "--api", api.url])
        assert done.exit_code == 1
        assert "SLUICE_API_TOKEN_FILE" in done.output
