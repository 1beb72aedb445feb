"""Traces of workers on a real Kafka: what a collector gets, and that one that hangs costs them nothing."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from streams.kafka import topics
from tests.oracle.bad import padded
from tests.support.bronze_topic import until_covered
from tests.support.collector import Span, spans_of
from tests.support.feed import FeedWatcher
from tests.support.kafka import Raw, wait_until
from tests.support.processes import Sluice
from tests.support.receiver import TAKEN, Answer, Receiver
from tests.support.sending import produce_all

COUNT = 5_000


def records(first: int) -> list[Raw]:
    """Each hundredth has the trace of its number."""
    now_ms = int(time.time() * 1000)
    parents = [f"00-{number:032x}-00f067aa0ba902b7-01".encode() for number in range(first, first + COUNT)]
    return [
        Raw(
            padded(400, now_ms, event_id=f"e-{first + number}"),
            headers=(("traceparent", parents[number]),) if number % 100 == 1 else (),
        )
        for number in range(COUNT)
    ]


def covered(spans: list[Span]) -> int:
    """How far spans cover the partition: from its beginning, and without a gap or an overlap."""
    ranges = [(one.attributes["sluice.offset.first"], one.attributes["sluice.offset.next"]) for one in spans]
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    assert not ranges or ranges[0][0] == 0
    return ranges[-1][1] if ranges else 0


async def test_checkpoints_and_ranges_are_traced_and_a_collector_that_hangs_costs_nothing(
    sluice: Sluice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")  # the library's own: how often it sends
    await topics.create(sluice.settings)
    bootstrap, raw = sluice.settings.kafka[0], sluice.raw_topic
    with Receiver() as receiver:
        roles = [start(otlp_endpoint=receiver.url("")) for start in (sluice.worker, sluice.bronze)]
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(bootstrap, raw, records(0))
            await feed.caught_up()
            by_role: dict[str, list[Span]] = {}

            def all_covered() -> bool:
                for role in ("views", "bronze"):
                    found = [one for one in spans_of(receiver) if one.service == f"sluice-{role}"]
                    by_role[role] = [one for one in found if one.attributes["messaging.batch.message_count"]]
                return all(covered(spans) == COUNT for spans in by_role.values())

            await wait_until(all_covered, "spans of all records", seconds=60)
            for role, spans in by_role.items():
                assert {one.name for one in spans} == {f"{role} checkpoint"}
                assert sum(one.attributes["messaging.batch.message_count"] for one in spans) == COUNT
                linked = [int(link, 16) for one in spans for link in one.links]
                assert linked
                assert all(number % 100 == 1 for number in linked)
                assert max(len(one.links) for one in spans) <= 32

            hangs = threading.Event()
            receiver.plan = lambda _path, _before: TAKEN if hangs.is_set() else Answer(held=hangs)
            await produce_all(bootstrap, raw, records(COUNT))
            await feed.caught_up()
        await until_covered(sluice, sluice.store, *roles)
        for role_process in roles:
            assert await role_process.terminate() == 0
        hangs.set()
