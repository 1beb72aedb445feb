"""Records of every event, seeded: disordered, repeated and spoilt; and what a worker makes of them."""

from __future__ import annotations

import json
import random
from typing import Any

from schemas.catalogue import EVENTS
from schemas.spec import EventSpec
from schemas.validation.validator import Validator
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.read.state import ReaderState
from tables.views import VIEWS
from tests.oracle.tables import Feed, write
from tests.support.feed import rfc3339
from tests.support.feed_records import TOPIC
from tests.support.kafka import Read

START_MS = 1_790_000_000_000
PARTITIONS, RECORDS = 3, 4_000
LIMITS = Limits(pane_minutes=60, pane_hours=48, dedupe_seconds=3600, closed_hours=168)
IDS = ("payout_id", "dispute_id", "booking_id", "check_id", "subject_id", "message_id", "quote_id", "user_id")
CHOICES: dict[str, list[Any]] = {
    "currency": ["EUR", "USD"],
    "kind": ["platform", "processing"],
    "outcome": ["won", "lost", "withdrawn"],
    "subject_kind": ["user", "provider", "booking"],
    "bucket": ["clear", "watch", "action", "critical"],
    "valid": [True, True, False],
    "channel": ["email", "sms", "push"],
    "campaign_id": ["cmp-1", "cmp-2", "cmp:3"],
    "quantity": [1, 2, 7],
    "exp_key": ["search-ui", "search-ui", "checkout:fees"],
    "variant": ["control", "treatment"],
    "covariate": [None, 0, 3.5, -2.25, 1e9],
}

OFTEN = ("experiment.exposure", "checkout.start")
DEADLINES_MS = [(-7_200_000, 0), (0, 20_000_000), (20_000_000, 80_000_000), (110_000_000, 200_000_000)]
"""How far they lie after the record: past soon or within hours, within a day of the end, or later."""


def payload(spec: EventSpec, at_ms: int, draw: random.Random) -> dict[str, Any]:
    found = dict(spec.examples[0])
    for name in spec.payload.model_fields:
        if name in IDS:
            found[name] = f"{name}-{draw.randrange(400 if name == 'user_id' else 60)}"
        elif name in CHOICES:
            found[name] = draw.choice(CHOICES[name])
        elif name == "amount_minor":
            found[name] = draw.choice([0, draw.randrange(100_000), 2**53 - 1])
        elif name in ("due_at", "accept_by", "respond_by"):
            found[name] = rfc3339((at_ms + draw.randrange(*draw.choice(DEADLINES_MS))) * 1000)
    for name, field in spec.payload.model_fields.items():
        if not field.is_required() and draw.random() < 0.3:
            found.pop(name, None)
    if spec.name == "digest.suppressed":
        found["reason"] = draw.choice(["quiet_hours", "no_content"])
    return found


def records(seed: int, *, in_time: bool = False) -> list[Read]:
    """Of one topic, in partition order; all records of an entity are on one partition. `in_time`: Kafka's
    timestamps are those of the sending."""
    draw = random.Random(seed)
    found, at_ms, offsets = [], START_MS, [0] * PARTITIONS
    sent: list[tuple[int, bytes]] = []
    for number in range(RECORDS):
        at_ms += draw.randrange(6_000)
        often = draw.random() < 0.25
        spec = EVENTS[draw.choice(OFTEN if often else sorted(EVENTS))]
        occurred_ms = at_ms - draw.choice([0, 0, draw.randrange(60_000), draw.randrange(20_000_000)])
        body = payload(spec, at_ms, draw)
        envelope = {
            "event_id": f"e{number}",
            "event": spec.name,
            "version": 1,
            "occurred_at": rfc3339(occurred_ms * 1000),
            "source": draw.choice(["web", "app-ios", "billing"]),
            "city": draw.choice(["lisbon", "porto", None]),
            "payload": body,
        }
        key = next((body[name] for name in (*IDS, "campaign_id") if name in body), str(number))
        partition, value = sum(key.encode()) % PARTITIONS, json.dumps(envelope).encode()
        if sent and draw.random() < 0.1:
            partition, value = draw.choice(sent[-300:])
        elif draw.random() < 0.04:
            value = spoilt(value, envelope, draw)
        sent.append((partition, value))
        stamp_ms = -1 if draw.random() < 0.02 else at_ms - draw.choice([0, 0, 0, draw.randrange(200_000_000)])
        found.append(Read(partition, offsets[partition], at_ms if in_time else stamp_ms, None, value, ()))
        offsets[partition] += 1
    return found


def spoilt(value: bytes, envelope: dict[str, Any], draw: random.Random) -> bytes:
    """A bad record, of which more or less can be read."""
    wrong: dict[str, Any] = draw.choice(
        [{}, {"source": ""}, {"event": "no.such"}, {"version": 2}, {"payload": {}}, {"city": "É"}]
    )
    return json.dumps(envelope | wrong).encode() if wrong else value[:-2]


def fold(state: PartitionState, reads: list[Read]) -> None:
    stamps = [read.timestamp_ms for read in reads]
    decoded = Validator().decode_batch(
        [read.value for read in reads], stamps, state.readers, with_sources=state.wants_sources
    )
    first = state.next_offset
    state.fold(decoded, stamps, first_offset=first, next_offset=first + len(reads), now_ms=stamps[-1])


def reader_of(reads: list[Read], limits: Limits = LIMITS) -> ReaderState:
    """What an api has after workers have folded them; a partition without any has its first checkpoint."""
    reader = ReaderState(VIEWS, limits.pane_minutes, limits.pane_hours)
    for partition in range(PARTITIONS):
        own = [read for read in reads if read.partition == partition]
        feed = feed_of(own, random.Random(partition), limits)
        reader.apply(partition, [(key, value, 0) for key, value in feed.items()], monotonic=0.0)
    return reader


def feed_of(reads: list[Read], draw: random.Random, limits: Limits = LIMITS) -> Feed:
    """What a worker writes of a partition; sometimes it crashes after a checkpoint and starts anew."""
    feed = Feed()
    state = PartitionState(TOPIC, VIEWS.values(), limits)
    write(feed, state.changes(0))
    while state.next_offset < len(reads):
        fold(state, reads[state.next_offset :][: draw.randrange(1, 400)])
        if draw.random() < 0.3 and state.next_offset < len(reads):
            state = PartitionState(TOPIC, VIEWS.values(), limits)  # what was not written is folded again
            state.restore(feed)
            state.restored()
            continue
        write(feed, state.changes(0))
    return feed
