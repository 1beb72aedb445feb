"""Spans of checkpoints, as a collector gets them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from streams.settings import SettingError, Settings
from streams.traces import MOST_LINKS, MOST_LOOKED_AT, PartitionTraces, Traces, traced, tracing
from tests.support.collector import Span, spans_of
from tests.support.kafka import wait_until
from tests.support.receiver import Answer, Receiver
from tests.support.views_partition import Owned

HEADER = "00-{:032x}-00f067aa0ba902b7-01"


class Record:
    def __init__(self, *parents: bytes | None) -> None:
        self.headers = [("other", b"x"), *(("traceparent", parent) for parent in parents)]


def of(number: int) -> Record:
    return Record(HEADER.format(number).encode())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def written(receiver: Receiver, *records: Any, error: Exception | None = None) -> Span:
    """The span of one checkpoint of these records."""
    traces = Traces(receiver.url(""), "views", "sluice-views")
    one = traces.of("events.raw", 3)
    one.look(records)
    try:
        with traced(one, one.begin(), 10, 15, 5):
            if error is not None:
                raise error
    except ZeroDivisionError:
        assert error is not None
    traces.close()
    (span,) = spans_of(receiver)
    return span


def test_a_checkpoint_is_a_span_that_says_what_it_covers(receiver: Receiver) -> None:
    span = written(receiver, of(1), Record(), of(2), of(1))
    assert (span.name, span.service, span.failed) == ("views checkpoint", "sluice-views", False)
    assert span.attributes == {
        "messaging.system": "kafka", "messaging.operation.type": "process",
        "messaging.destination.name": "events.raw", "messaging.destination.partition.id": "3",
        "messaging.consumer.group.name": "sluice-views", "messaging.batch.message_count": 5,
        "sluice.offset.first": 10, "sluice.offset.next": 15,
    }  # fmt: skip
    assert [int(link, 16) for link in span.links] == [1, 2]
    assert span.nanoseconds > 0


def test_one_that_failed_says_so(receiver: Receiver) -> None:
    assert written(receiver, error=ZeroDivisionError()).failed


def test_links_are_bounded_and_what_is_no_parent_is_none(receiver: Receiver) -> None:
    odd = Record(b"", None, b"\xff" * 55, b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", b"x" * 10_000)
    span = written(receiver, odd, *map(of, range(1, 1_000)))
    assert [int(link, 16) for link in span.links] == list(range(1, MOST_LINKS - 3))


def test_records_without_a_parent_are_looked_at_up_to_a_bound(receiver: Receiver) -> None:
    span = written(receiver, *[Record()] * MOST_LOOKED_AT, of(1))
    assert span.links == []


def test_each_checkpoint_has_links_of_its_own(receiver: Receiver) -> None:
    one = PartitionTraces(None, "views", "g", "t", 0)
    one.look([of(1)])
    first = one.begin()
    one.look([of(2)])
    second = one.begin()
    assert [first.parents, second.parents, one.begin().parents] == [
        [HEADER.format(1).encode()], [HEADER.format(2).encode()], [],
    ]  # fmt: skip


async def test_a_collector_that_is_away_or_refuses_costs_nobody_anything(receiver: Receiver) -> None:
    with Receiver() as gone:
        away = gone.url("")
    receiver.plan = lambda _path, _before: Answer(503)
    for url in (away, receiver.url("")):
        traces = Traces(url, "views", "g")
        one = traces.of("t", 0)
        for number in range(10_000):  # more than the library's queue takes
            with traced(one, one.begin(), number, number + 1, 1):
                pass
        traces.close()
        await wait_until(lambda: not exporting(), "the library to end")


def exporting() -> list[str]:
    """Threads of the library, and ours that wait for it."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name == "traces" or name.startswith("Otel")]


async def test_off_looks_at_nothing_and_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with tracing(Settings.load({}), "views") as traces:
        assert traces is None
    owned = Owned()
    assert owned.projector._look is None


def test_without_the_extra_the_setting_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    settings = Settings.load({"SLUICE_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    with pytest.raises(SettingError, match=r"SLUICE_OTLP_ENDPOINT.*pip install 'sluice\[otlp\]'"):  # noqa: SIM117
        with tracing(settings, "views"):
            pass
