"""The quarantine's audit: its records, what they say of a bad record, and its topic."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from agents.quarantine.audit import AuditRecord, decode_audit, encode_audit
from agents.quarantine.record import Position, QuarantineRecord
from streams.kafka.topics import TopicState, findings, plan
from streams.settings import Settings
from streams.sources.envelope import event_id_of
from streams.sources.quarantine_audit import Audit, Done

TOPIC = "events.quarantine"
DAY_MS = 86_400_000
AUDITED = AuditRecord(
    action="replayed", at="2026-01-02T00:00:00Z", by="ann@desk", topic=TOPIC, partition=1, offset=7,
    quarantined_at="2026-01-01T00:00:00.000Z", raw_topic="events.raw", raw_partition=1, event_id="e-1",
)  # fmt: skip


def record(offset: int = 7, at: str = AUDITED.quarantined_at) -> QuarantineRecord:
    return QuarantineRecord(Position(1, offset), "", "", "", "", "events.raw", 1, 0, at, None, b"")


def audit_of(*records: AuditRecord, first: int = 0) -> Audit:
    audit = Audit(TOPIC, {1: first})
    for one in records:
        audit.take(encode_audit(one)[1])
    return audit


def test_a_record_comes_back_as_it_was_written() -> None:
    key, value = encode_audit(AUDITED)
    assert key == b"events.quarantine/1/7"
    assert decode_audit(value) == AUDITED
    later = msgspec.json.decode(value) | {"action": "dismissed", "reason": "a test"}
    read = decode_audit(msgspec.json.encode(later))
    assert read is not None, "members of a later release are passed over"
    assert read.action == "dismissed"


def test_the_newest_is_the_state_and_another_action_is_not_open() -> None:
    later = msgspec.structs.replace(AUDITED, at="2026-01-03T00:00:00Z", by="bob@desk")
    audit = audit_of(AUDITED, later)
    assert audit.of(record()) == Done("replayed", later.at, "bob@desk")
    assert audit.state(record(8)) == "open"
    dismissed = msgspec.structs.replace(AUDITED, action="dismissed")
    assert audit_of(AUDITED, dismissed).state(record()) == "dismissed"


def test_a_record_of_a_quarantine_that_was_recreated_is_open() -> None:
    assert audit_of(AUDITED).state(record(at="2026-02-01T00:00:00.000Z")) == "open"


def test_what_the_quarantine_has_no_more_is_forgotten() -> None:
    assert audit_of(AUDITED, first=7).state(record()) == "replayed"
    assert audit_of(AUDITED, first=8).state(record()) == "open"


@pytest.mark.parametrize(
    "value",
    [None, b"", b"{}", b"[" * 100_000, b"\xff", encode_audit(AUDITED)[1].replace(b"replayed", b"RE PLAYED"),
     encode_audit(msgspec.structs.replace(AUDITED, topic="other"))[1]],
)  # fmt: skip
def test_what_others_write_is_passed_over_and_told(value: bytes | None) -> None:
    audit = audit_of(AUDITED)
    assert audit.warnings() == []
    audit.take(value)
    assert audit.warnings() == ["1 records of the audit are of another program, and passed over"]
    assert audit.state(record()) == "replayed"


@pytest.mark.parametrize(
    ("value", "event_id"),
    [(b'{"x":[1],"event_id":"a:b"}', "a:b"), (b'{"event_id":"a b"}', None), (b'{"event_id":7}', None),
     (b'{"event_id":"' + b"a" * 65 + b'"}', None), (b'{"event_id":"a"', None), (None, None), (b"[1]", None),
     (b"\x00\x00\x00\x00\x01", None)],
)  # fmt: skip
def test_the_event_id_of_a_bad_record_if_it_has_one(value: bytes | None, event_id: str | None) -> None:
    assert event_id_of(value) == event_id


def problems(audit: Mapping[str, str] | None, quarantine: Mapping[str, str]) -> list[tuple[str, str, bool]]:
    settings = Settings.load({})
    there = {
        topic.name: TopicState(topic.partitions, {"cleanup.policy": topic.cleanup, **topic.config})
        for topic in plan(settings)
    }
    there[TOPIC].config.update(quarantine)
    if audit is None:
        del there[f"{TOPIC}.audit"]
    else:
        there[f"{TOPIC}.audit"].config.update(audit)
    found = findings(settings, plan(settings), there)
    assert {one.topic for one in found} <= {f"{TOPIC}.audit"}
    return [(one.problem, one.mend, one.bearable) for one in found]


def test_no_worker_waits_for_the_audit() -> None:
    assert problems(None, {}) == [("does not exist", "sluice topics create", True)]
    ((problem, _, bearable),) = problems({"cleanup.policy": "compact"}, {})
    assert (problem, bearable) == ("has cleanup.policy=compact, not delete", True)


@pytest.mark.parametrize(
    ("kept_days", "segment_days", "audit_days", "needed"),
    [(14, 7, -1, None), (14, 7, 21, None), (14, 7, 20, 21 * DAY_MS), (-1, 7, -1, None), (-1, 7, 900, -1)],
)
def test_the_audit_must_not_forget_before_the_quarantine_does(
    kept_days: int, segment_days: int, audit_days: int, needed: int | None
) -> None:
    def ms(days: int) -> str:
        return str(days if days < 0 else days * DAY_MS)

    quarantine = {"retention.ms": ms(kept_days), "segment.ms": ms(segment_days)}
    found = problems({"retention.ms": ms(audit_days)}, quarantine)
    assert [mend for _, mend, _ in found] == (
        [] if needed is None else [f"set retention.ms={needed} on it, or more"]
    )
