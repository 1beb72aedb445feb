"""Quarantined records are counted at once and told together, without a word of what is in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from prometheus_client import REGISTRY

from streams import logs
from streams.emf import EmfLines
from streams.errors import ErrorCode
from streams.kafka.batches import Fetched
from streams.roles.views.quarantine_counts import QuarantineCounts
from tests.support.views_partition import CLICK, TOPIC, Batch, Owned, Record

ENVELOPE, SCHEMA = "EVENT_ENVELOPE_INVALID", "EVENT_SCHEMA_INVALID"
TRACED = (CLICK % 3).replace(b'"city"', b'"trace_id":"t-1","city"')
BAD = [b"hunter2", b"hunter2", b"[]", TRACED.replace(b"search.click", b"hunter.two")]


class _Bad(Record):
    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.value = BAD[offset]


@pytest.fixture
def emf(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What SLUICE_EMF=1 writes to standard output."""
    written = io.StringIO()
    logger = logging.getLogger("streams.emf")
    handler = EmfLines(written)
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield written
    handler.close()
    logger.setLevel(level)


def counted() -> list[float]:
    return [
        REGISTRY.get_sample_value("sluice_errors_total", {"code": code}) or 0.0 for code in (ENVELOPE, SCHEMA)
    ]


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    """Message, level, code and count of every coded error."""
    return [
        (
            record.message,
            record.levelname,
            record.__dict__["fields"]["code"],
            record.__dict__["fields"]["count"],
        )
        for record in caplog.records
        if record.name == "streams.errors"
    ]


async def test_bad_records_are_counted_at_once_and_told_together(
    caplog: pytest.LogCaptureFixture, emf: io.StringIO
) -> None:
    quarantined = QuarantineCounts()
    owned = Owned(quarantined=quarantined)
    before = counted()
    batches: list[Any] = [Batch(map(_Bad, range(len(BAD))))]
    await owned.partition.process(Fetched(TopicPartition(TOPIC, 0), 0, len(BAD), batches, len(BAD), 1))
    assert await owned.partition.checkpoint()
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [3, 1]
    assert told(caplog) == []

    quarantined.log()
    assert told(caplog) == [
        ("records were quarantined: not_json 2, not_object 1", "WARNING", ENVELOPE, 3),
        ("records were quarantined: unknown_event 1", "WARNING", SCHEMA, 1),
    ]
    fields = [record.__dict__["fields"] for record in caplog.records if record.name == "streams.errors"]
    assert [(line["topic"], line["partition"], line["offset"]) for line in fields] == [
        (TOPIC, 0, 0),
        (TOPIC, 0, 3),
    ]
    assert [line.get("trace_id") for line in fields] == [None, "t-1"]

    lines = [json.loads(line) for line in emf.getvalue().splitlines()]
    assert [(line["code"], line["Errors"]) for line in lines] == [(ENVELOPE, 3), (SCHEMA, 1)]
    assert "hunter" not in caplog.text + emf.getvalue()

    quarantined.log()
    assert len(told(caplog)) == 2, "what has been told is not told again"
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [3, 1]
    await owned.partition.release()


def test_a_flood_is_told_at_once_and_then_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    tally = QuarantineCounts(lambda: now)
    for second in range(181):
        tally.add({(ENVELOPE, "not_json"): 2})
        if second > 0:
            tally.add({(SCHEMA, "payload_field"): 1})
        tally.log()
        now += 1.0
    counts = {code: [line[3] for line in told(caplog) if line[2] == code] for code in (ENVELOPE, SCHEMA)}
    assert counts[ENVELOPE] == [2, 120, 120, 120]
    assert counts[SCHEMA] == [1, 60, 60], "each code begins by itself"
    tally.add({(ENVELOPE, "too_large"): 1})
    tally.log(last=True)
    assert told(caplog)[-2][:1] == ("records were quarantined: too_large 1",)
    assert sum(line[3] for line in told(caplog)) == 181 * 2 + 180 + 1, "none is left untold"
    tally.log(last=True)
    assert len(told(caplog)) == 9


def test_an_error_is_counted_and_told_once(caplog: pytest.LogCaptureFixture, emf: io.StringIO) -> None:
    before = counted()
    logs.emit(ErrorCode.EVENT_SCHEMA_INVALID, "one", topic="t")
    assert counted()[1] - before[1] == 1
    assert told(caplog) == [("one", "WARNING", SCHEMA, 1)]
    assert json.loads(emf.getvalue())["Errors"] == 1
