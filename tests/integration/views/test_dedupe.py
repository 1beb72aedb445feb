"""Duplicates among records whose Kafka timestamps are not of today: a mirror, a backfill, a replay."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.bad import event
from tests.support.feed import FeedWatcher, exact
from tests.support.kafka import Raw, create_topics
from tests.support.processes import Sluice
from tests.support.sending import produce_all

YEARS_MS = 2 * 365 * 86_400_000
OLD_FIRST, TODAY_FIRST, REPLAY = range(3)


def charges(partition: int, ids_and_stamps: Iterable[tuple[str, int]]) -> list[Raw]:
    """A charge of each id, that occurred at its Kafka timestamp."""
    model = {"charge_id": "c", "booking_id": "b", "amount_minor": 100, "currency": "EUR"}
    return [
        Raw(
            json.dumps(event("charge.succeeded", model, stamp, event_id=event_id)).encode(),
            b"c", stamp, partition,
        )
        for event_id, stamp in ids_and_stamps
    ]  # fmt: skip


async def test_old_timestamps_count_once_through_restarts(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    raw_topic, today = f"{prefix}events.raw", int(time.time() * 1000) - 1000
    await create_topics(kafka.bootstrap, raw_topic, partitions=3, retention_ms=-1)
    old = today - YEARS_MS
    replay = [(f"r{number}", old + number * YEARS_MS // 1000) for number in range(1000)]
    rounds = [
        [*charges(OLD_FIRST, [("old", old)]), *charges(TODAY_FIRST, [("new", today)])],
        [
            *charges(OLD_FIRST, [("new", today), ("old", old), ("new", today)]),
            *charges(TODAY_FIRST, [("old", old), ("new", today), ("old", old)]),
            *charges(REPLAY, replay),
        ],
        [
            *charges(OLD_FIRST, [("old", old), ("new-2", today), ("old", old)]),
            *charges(TODAY_FIRST, [("new-2", today), ("old", old), ("new", today)]),
            *charges(REPLAY, replay),
        ],
    ]  # fmt: skip
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=3, pane_hours=20_000) as sluice:
        await topics.create(sluice.settings)
        api, worker = sluice.api(), sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(kafka.bootstrap, raw_topic, rounds[0])
            await feed.caught_up()
            worker.kill()
            worker.start()
            await produce_all(kafka.bootstrap, raw_topic, rounds[1])
            await feed.caught_up()
            await worker.terminate()
            worker.start()
            await produce_all(kafka.bootstrap, raw_topic, rounds[2])
            await feed.caught_up()
            await api.ready()
            oracle = await exact(sluice, api)
            first_seen = 3 + 3 + len(replay)
            assert oracle.counts() == {
                "folded": first_seen, "late_dropped": 0, "bad": 0,
                "duplicate": sum(map(len, rounds)) - first_seen,
            }  # fmt: skip
