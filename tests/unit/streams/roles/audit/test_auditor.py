"""One audit, with an api that answers what the test says, over a Bronze in a folder: no Kafka is needed where
no alarm is raised or cleared."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from agents.bronze.store import Listed
from streams.client import SluiceClient
from streams.roles.audit.alarms import AuditAlarms
from streams.roles.audit.auditor import Auditor, difference
from streams.settings import Settings
from streams.store.local import LocalStore
from streams.verify.compare import Difference
from streams.verify.proof import State, Verdict
from streams.verify.run import Verifier
from tables.gates.alarms import audit_alarm
from tables.query.params import parse_view_query
from tables.query.views import answer_view
from tables.views import VIEWS
from tests.support.api import Api, answering
from tests.support.bronze_folder import write_bronze
from tests.support.feed_records import situation
from tests.support.view_records import LIMITS, PARTITIONS, reader_of, records

NOTHING: dict[str, Any] = {
    "as_of": "2026-03-01T12:00:00Z", "from": "2026-03-01T11:00:00Z", "to": "2026-03-01T12:00:00Z",
    "since": None, "partitions": [], "rows": [],
}  # fmt: skip
NAMES = ("kpi_gmv", "kpi_funnel", "trust_idv")
READS = records(2, in_time=True)


def settings_of(**more: str) -> Settings:
    given = {"SLUICE_AUDIT_WAIT_SECONDS": "60", "SLUICE_KAFKA": "127.0.0.1:1"}
    return Settings.load({**given, "SLUICE_PANE_HOURS": str(LIMITS.pane_hours), **more})


def right(name: str) -> dict[str, Any]:
    """What an api that has folded the records answers of a view."""
    reader, view = reader_of(READS), VIEWS[name]
    now = situation((reader.newest_us() or 0) / 1e6, partitions=PARTITIONS)
    return answer_view(reader, view, parse_view_query(view, [("window", "2h")]), now)


@pytest.fixture
def api() -> Iterator[Api]:
    with answering() as api:
        for name in NAMES:
            api.answers[f"/v1/views/{name}"] = (200, NOTHING)
        yield api


def count(view: str, outcome: str) -> float:
    return REGISTRY.get_sample_value("sluice_audits_total", {"view": view, "outcome": outcome}) or 0.0


def proved_at(view: str) -> float:
    return REGISTRY.get_sample_value("sluice_audit_success_timestamp_seconds", {"view": view}) or 0.0


def test_what_was_never_proved_grows_old_from_the_start(api: Api, tmp_path: Path) -> None:
    settings = settings_of()
    verifier = Verifier(settings, SluiceClient(api.url), LocalStore(tmp_path), lambda _: None)
    before = time.time()
    Auditor(settings, [VIEWS["promo_spend"]], verifier, AuditAlarms(settings))
    assert before <= proved_at("promo_spend") <= time.time()


async def test_each_view_is_audited_whatever_becomes_of_the_others(
    api: Api, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api.answers["/v1/views/kpi_gmv"] = (500, {"detail": "a fault"})
    api.answers["/v1/views/kpi_funnel"] = (200, {**NOTHING, "scoped": True})
    api.answers["/v1/views/trust_idv"] = (200, right("trust_idv"))
    write_bronze(tmp_path, READS)
    settings = settings_of()
    verifier = Verifier(settings, SluiceClient(api.url), LocalStore(tmp_path), lambda _: None)
    auditor = Auditor(settings, [VIEWS[name] for name in NAMES], verifier, AuditAlarms(settings))
    outcomes = dict(zip(NAMES, ("failed", "unverified", "equal"), strict=True))
    before = {name: count(name, outcome) for name, outcome in outcomes.items()}
    began = {name: proved_at(name) for name in NAMES}
    with caplog.at_level(logging.WARNING):
        await auditor.audit()
    assert {name: count(name, outcome) for name, outcome in outcomes.items()} == {
        name: was + 1 for name, was in before.items()
    }
    assert {name: proved_at(name) > began[name] for name in NAMES} == {
        name: outcome == "equal" for name, outcome in outcomes.items()
    }
    assert "kpi_gmv could not be audited: the api at" in caplog.text
    assert "kpi_funnel could not be proved: the api answers for some cities alone" in caplog.text
    assert "trust_idv" not in caplog.text
    asked = [params for path, params in api.asked if path == "/v1/views/trust_idv"]
    assert asked == [[("window", "2h")]]


async def test_all_answers_are_taken_before_bronze_is_waited_for(api: Api, tmp_path: Path) -> None:
    span = {
        "topic": "events.raw", "partition": 0, "watermark": None, "first_offset": 0, "checkpoint_offset": 7
    }  # fmt: skip
    for name in NAMES:
        api.answers[f"/v1/views/{name}"] = (200, {**NOTHING, "partitions": [span]})
    asked_before_waiting: list[int] = []

    def told(_: str) -> None:
        asked_before_waiting.append(sum(path != "/v1/views" for path, _ in api.asked))

    settings = settings_of(SLUICE_AUDIT_WAIT_SECONDS="1")
    verifier = Verifier(settings, SluiceClient(api.url), LocalStore(tmp_path), told)
    before = {name: count(name, "unverified") for name in NAMES}
    await Auditor(settings, [VIEWS[name] for name in NAMES], verifier, AuditAlarms(settings)).audit()
    assert set(asked_before_waiting) == {len(NAMES)}, "an answer was taken only after a wait"
    assert {name: count(name, "unverified") for name in NAMES} == {name: n + 1 for name, n in before.items()}


class BrokenStore(LocalStore):
    """A folder of which the first listing fails as nothing of ours should."""

    failed = False

    async def list(self, prefix: str, after: str = "") -> AsyncIterator[Listed]:
        if not self.failed:
            self.failed = True
            raise ZeroDivisionError
        async for listed in super().list(prefix, after):
            yield listed


async def test_a_fault_of_one_view_ends_not_the_audit_of_the_others(
    api: Api, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_bronze(tmp_path, READS)
    names = ("kpi_gmv", "trust_idv")
    for name in names:
        api.answers[f"/v1/views/{name}"] = (200, right(name))
    settings = settings_of()
    verifier = Verifier(settings, SluiceClient(api.url), BrokenStore(tmp_path), lambda _: None)
    before = count("kpi_gmv", "failed"), count("trust_idv", "equal")
    await Auditor(settings, [VIEWS[name] for name in names], verifier, AuditAlarms(settings)).audit()
    assert (count("kpi_gmv", "failed"), count("trust_idv", "equal")) == (before[0] + 1, before[1] + 1)
    (told,) = [one for one in caplog.records if one.exc_info]
    assert told.getMessage() == "kpi_gmv could not be audited"


def test_what_is_wrong_is_told_without_what_it_is_about() -> None:
    found = [
        Difference({"city": "lisbon", "currency": "GBP"}, "gmv_minor", 12345, 67890),
        Difference({"city": "lisbon", "currency": "GBP"}, "take_rate", 0.25, 0.75),
        Difference({"city": None, "currency": "EUR"}, "gmv_minor", 12345, None),
    ]
    verdict = Verdict(VIEWS["kpi_gmv"], None, State.DIFFERENT, differences=found)
    detail = difference(verdict)
    assert "3 differences in 2 rows, of gmv_minor, take_rate" in detail
    assert not any(told in detail for told in ("lisbon", "GBP", "12345", "0.25"))
    alarm = audit_alarm("kpi_gmv", detail, raised=True, code="C", severity="critical", at_us=0)
    assert (alarm.alarm_id, alarm.subject, alarm.state) == ("audit/kpi_gmv", "kpi_gmv", "raised")


def test_an_unknown_view_cannot_be_audited() -> None:
    with pytest.raises(
        ValueError, match="SLUICE_AUDIT_VIEWS='kpi_gmw' is not allowed: it must be some of ops_"
    ):
        Settings.load({"SLUICE_AUDIT_VIEWS": "kpi_gmw"})
