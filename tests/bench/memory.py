"""Memory: what a partition's state takes, per item, both as Python counts it and as the kernel does.

Each measurement runs in a process of its own, `python -m tests.bench.memory KIND COUNT`, which prints one
JSON object. Python's count (tracemalloc, numpy arrays included) is what the state holds; the resident set
adds what the allocator keeps, and is taken in a second run, without tracemalloc.
"""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from schemas.validation.validator import Validator
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.views import VIEWS
from tests.bench.process import python
from tests.bench.workloads.market import CITIES, CURRENCIES, START

LIMITS = Limits(pane_minutes=2880, pane_hours=840, dedupe_seconds=3600, closed_hours=168)
START_MS = int(START.timestamp() * 1000)
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
BATCH = 500


class Timed(NamedTuple):
    """An event and its time, which is its Kafka timestamp too."""

    at_ms: int
    event: str
    payload: str
    city: int = 0


class Use(NamedTuple):
    """What `items` of a kind take, bytes per item."""

    items: int
    traced: float
    resident: float


def entities(count: int) -> Iterator[Timed]:
    """Open payouts, one event each, over a day: ids to be deduplicated are few beside them."""
    for number in range(count):
        money = f'"amount_minor":{number % 90000},"currency":"{CURRENCIES[number % 3]}"'
        ids = f'"payout_id":"pay_68cf987551a9{number:016x}","provider_id":"prv_{number % 5000:06d}"'
        due = '"due_at":"2026-03-03T00:00:00Z"'
        yield Timed(
            number * 24 * HOUR_MS // count, "payout.initiated", f"{ids},{money},{due}", number % CITIES
        )


def ids(count: int) -> Iterator[Timed]:
    """Events of no view over an hour, and ten two minutes later: the others are then older than a minute."""
    facts = '"charge_id":"c","booking_id":"b","amount_minor":1,"currency":"EUR"'
    for number in range(count):
        yield Timed(number * HOUR_MS // count, "charge.failed", facts)
    for second in range(10):
        yield Timed(HOUR_MS + 2 * MINUTE_MS + second * 1000, "charge.failed", facts)


def panes(minutes: int) -> Iterator[Timed]:
    """So many minutes of three windowed views, each with every city in one currency."""
    for minute in range(minutes):
        for city in range(CITIES):
            at_ms = minute * MINUTE_MS + city * 1000
            money = f'"amount_minor":{9000 + minute},"currency":"{CURRENCIES[city % 3]}"'
            booking = f'"booking_id":"b","user_id":"u","provider_id":"p",{money}'
            yield Timed(at_ms, "search.impression", '"session_id":"s","listing_id":"l","position":1', city)
            yield Timed(at_ms, "booking.confirmed", booking, city)
            yield Timed(at_ms, "charge.succeeded", f'"charge_id":"c","booking_id":"b",{money}', city)


def users(count: int) -> Iterator[Timed]:
    """So many users of an experiment, over a day: each is exposed, and begins two check-outs."""
    for number in range(3 * count):
        user, step = divmod(number, 3)
        at_ms, who = number * 8 * HOUR_MS // count, f'"user_id":"usr_68cf987551a9{user:012d}"'
        shown = f'"exp_key":"search-ui","variant":"{("control", "treatment")[user % 2]}"'
        if step == 0:
            yield Timed(at_ms, "experiment.exposure", f'{shown},{who},"covariate":{user % 97 / 7}')
        else:
            yield Timed(at_ms, "checkout.start", f'"session_id":"s",{who}')


KINDS: dict[str, tuple[Callable[[int], Iterator[Timed]], str]] = {
    "entities": (entities, "entities"),
    "ids": (ids, "dedupe_ids"),
    "panes": (panes, "groups"),
    "users": (users, "users"),
}
"""Kind → its events, and the name that its items have among the state's sizes."""


def measure(kind: str, count: int) -> Use:
    """One kind, in processes of its own."""
    results = []
    for traced in ("traced", "resident"):
        done = subprocess.run(
            python("tests.bench.memory", kind, str(count), traced),
            check=True,
            capture_output=True,
            text=True,
            timeout=1800,
        )
        results.append(json.loads(done.stdout))
    return Use(results[0]["items"], *(result["bytes"] / result["items"] for result in results))


def _fill(state: PartitionState, events: Iterator[Timed]) -> None:
    validator, offset, checkpoint_ms = Validator(), 0, 0
    while batch := list(islice(events, BATCH)):
        stamps = [START_MS + event.at_ms for event in batch]
        values: list[bytes | None] = [_encode(offset + at, event) for at, event in enumerate(batch)]
        decoded = validator.decode_batch(values, stamps, state.readers, with_sources=state.wants_sources)
        assert not decoded.bad, decoded.bad[0]
        state.fold(
            decoded, stamps,
            first_offset=offset, next_offset=offset + len(batch), now_ms=stamps[-1],
        )  # fmt: skip
        offset += len(batch)
        if stamps[-1] - checkpoint_ms >= 100:
            checkpoint_ms = stamps[-1]
            state.changes(checkpoint_ms)


def _encode(number: int, event: Timed) -> bytes:
    seconds, ms = divmod(START_MS + event.at_ms, 1000)
    day, second = divmod(seconds, 86400)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{ms:03d}Z"
    date = f"2026-03-{1 + day - START_MS // 86_400_000:02d}"
    return (
        f'{{"event_id":"evt_68cf987551a9{number:016x}","event":"{event.event}","version":1,'
        f'"occurred_at":"{date}T{clock}","source":"bench","city":"city-{event.city:02d}",'
        f'"payload":{{{event.payload}}}}}'
    ).encode()


def _resident() -> int:
    found = re.search(
        r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE
    )
    assert found is not None
    return int(found[1]) * 1024


def main(kind: str, count: int, *, traced: bool) -> None:
    """Fill a state and print what it takes."""
    events, name = KINDS[kind]
    state = PartitionState("warm", tuple(VIEWS.values()), LIMITS)
    _fill(state, events(2))
    if traced:
        tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0] if traced else _resident()
    state = PartitionState("events.raw", tuple(VIEWS.values()), LIMITS)
    _fill(state, events(count))
    gc.collect()
    after = tracemalloc.get_traced_memory()[0] if traced else _resident()
    json.dump({"items": state.sizes()[name], "bytes": after - before}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), traced=sys.argv[3] == "traced")
