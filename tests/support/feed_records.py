"""Feed records made by hand, as a worker would write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tables.codec import (
    Assigned,
    Checkpoint,
    Heartbeat,
    encode_checkpoint,
    encode_heartbeat,
    encode_partial,
)
from tables.keys import (
    checkpoint_key,
    entity_prefix,
    heartbeat_key,
    windowed_prefix,
)
from tables.read.state import FeedItem, ReaderState
from tables.read.status import Situation
from tables.spec.view import View
from tables.spec.windowed import Windowed
from tables.views import VIEWS

TOPIC = "events.raw"
MICROS = 1_000_000
DEFINITIONS = {name: (view.definition_hash, 0) for name, view in VIEWS.items()}


def partial(
    view: View,
    unit: str,
    number: int,
    groups: Iterable[tuple[Any, ...]] | None,
    *,
    shard: int = 0,
    topic: str = TOPIC,
) -> FeedItem:
    """A windowed record; `groups` as (group, row) pairs, sketches that are not given empty; None for a
    tombstone."""
    assert isinstance(view, Windowed)
    key = f"{windowed_prefix(view.name, view.definition_hash, topic)}{unit}{number}:{shard}".encode()
    if groups is None:
        return key, None, 0
    rows = [(group, [*row, *({} for _ in view.kept[len(row) :])]) for group, row in groups]
    return key, encode_partial(rows, len(view.sketches)), 0


def entity(view: View, entity_id: str, members: Sequence[Any] | None, topic: str = TOPIC) -> FeedItem:
    """An entity record: opened, occurred_us, rank, event_id, city, kept fields; None for a tombstone."""
    key = f"{entity_prefix(view.name, view.definition_hash, topic)}{entity_id}".encode()
    return key, None if members is None else msgspec.msgpack.encode(members), 0


def checkpoint(next_: int, watermark_s: float | None, topic: str = TOPIC, **fields: Any) -> FeedItem:
    """A checkpoint record; the watermark in seconds."""
    watermark = None if watermark_s is None else int(watermark_s * MICROS)
    made = Checkpoint(
        next=next_, watermark=watermark, kafka_ms=None, at=0, **{"views": DEFINITIONS, **fields}
    )
    return checkpoint_key(topic), encode_checkpoint(made), 0


def heartbeat(*assigned: tuple[Any, ...], worker: str = "w1", kafka_ms: int = 0) -> FeedItem:
    """A heartbeat with (partition, next, end, oldest_unread_ms) of the raw topic each."""
    partitions = [Assigned(TOPIC, *one) for one in assigned]
    value = encode_heartbeat(Heartbeat(worker=worker, at=kafka_ms, partitions=partitions))
    return heartbeat_key(worker), value, kafka_ms


def situation(
    wall_s: float = 0.0, monotonic: float = 0.0, partitions: int | None = 1, **fields: Any
) -> Situation:
    """A clock at `wall_s`, a raw topic, everything read, default settings."""
    given: dict[str, Any] = {
        "topics": {TOPIC: partitions},
        "feed_read": True,
        "clock": "wall",
        "stale_seconds": 60,
        "session_seconds": 10,
        **fields,
    }
    return Situation(wall_us=int(wall_s * MICROS), monotonic=monotonic, **given)


def reader(*records: FeedItem, partition: int = 0, pane_minutes: int = 2880) -> ReaderState:
    """A reader of all views that has been given these records of one partition."""
    state = ReaderState(VIEWS, pane_minutes, 840)
    state.apply(partition, records, monotonic=0.0)
    return state
