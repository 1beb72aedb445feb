"""The simulation: a virtual clock, a heap of lifecycles, and how an event gets its envelope and faults."""

from __future__ import annotations

import hashlib
import itertools
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from heapq import heappop, heappush, heapreplace
from math import log
from random import Random
from typing import NamedTuple

from schemas.validation.reasons import Reason
from streams.sources.market.bad import draw_reason, spoil
from streams.sources.market.cities import CATALOGUE, City
from streams.sources.market.faults import Faults
from streams.sources.market.scenarios import (
    BAD_PRODUCER,
    LATE_FLOOD,
    RECON_LEAK,
    SCHEMA_BREAK,
    Incidents,
    Scenario,
)

DEFAULT_RATE = 2_000.0
SECOND = 1_000_000

LATE_MOSTLY_S, LATE_RARELY_S, LATE_RARELY = 20.0, 400.0, 0.1
RETRY_S = 1.5
EARLIEST, LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
POSITION = re.compile(rb'"position":(\d+)')
_ODD = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


class Record(NamedTuple):
    """One record. `at_us`: when it is sent, in µs since the epoch on the virtual clock; not before what it
    tells of, but on purpose (`in_future`). `value` None: a tombstone. `bad`: the reason it is to be
    quarantined for; "": none."""

    key: bytes | None
    value: bytes | None
    at_us: int
    bad: str = ""


class Simulation(ABC):
    """Runs lifecycles and yields what they emit in the order of sending, the same for the same arguments.

    The first lifecycle is `arrivals`. Above `max_event_bytes` an event is too large. Raises `ValueError`,
    which names the argument.
    """

    def __init__(
        self, seed: int, start: datetime, cities: Sequence[City] = CATALOGUE, *, rate: float = DEFAULT_RATE,
        flat: bool = False, faults: Faults | None = None, max_event_bytes: int = 65_536,
    ) -> None:  # fmt: skip
        if start.tzinfo is None or not EARLIEST <= start <= LATEST:
            allowed = f"have an offset and be from {EARLIEST.year} to {LATEST.year}"
            raise ValueError(f"start must {allowed}, not {start}")
        if not 0 < rate <= 1_000_000:
            raise ValueError(f"rate must be above 0, to 1,000,000, not {rate:g}")
        if not cities:
            raise ValueError("cities must not be empty")
        self.faults = faults or Faults()
        self.start_us = (start - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)
        self.rate, self.flat, self.cities = rate, flat, cities
        self.now = self.start_us
        """The virtual clock, in µs since the epoch."""
        self.random: Callable[[], float] = Random(f"{seed}/life").random
        """Numbers in [0, 1) for what the marketplace does; faults draw from others."""
        self.bad: Counter[str] = Counter()
        """Bad records that `advance` has given out, by reason."""
        self.late = self.duplicates = self.leaks = 0
        """So far: good events held back as late, good events sent twice, payouts that leak."""
        self._max_event_bytes = max_event_bytes
        self._bits = Random(f"{seed}/trace").getrandbits
        self._fault_draw: Callable[[], float] = Random(f"{seed}/faults").random
        self._leak_draw: Callable[[], float] = Random(f"{seed}/leak").random
        self._incidents = Incidents(self.faults.scenarios, self.start_us)
        self._incident_draw: Callable[[], float] = Random(f"{seed}/incidents").random
        self._faulty_share = self.faults.late + self.faults.duplicates + self.faults.bad_per_event
        run = f"{seed}|{self.start_us}|{rate}|{flat}|{cities}"
        self._run = hashlib.blake2b(run.encode(), digest_size=6).hexdigest()
        """In every id, so that two runs into one topic share none."""
        self._events = self._identities = 0
        self._second = -1
        self._second_text = ""
        self._out: list[Record] = []
        self._turn = itertools.count()
        self._heap: list[tuple[int, int, Callable[[], int]]] = []
        self.begin(self.arrivals())

    @abstractmethod
    def arrivals(self) -> Iterator[int]:
        """The lifecycle that begins all others."""

    def advance(self, limit: int, until_us: int | None = None) -> list[Record]:
        """The next records, at most `limit`; fewer if the virtual time `until_us` comes before."""
        out, heap, turn = self._out, self._heap, self._turn
        while len(out) < limit:
            at, _, step = heap[0]
            if until_us is not None and at > until_us:
                break
            self.now = at
            try:
                following = step()
            except StopIteration:
                heappop(heap)  # a step may begin others, but none before itself: it is still the first
            else:
                heapreplace(heap, (following, next(turn), step))
        batch = out[:limit]
        del out[:limit]
        self.bad.update(record.bad for record in batch if record.bad)
        return batch

    def begin(self, lifecycle: Iterator[int]) -> None:
        """Start a lifecycle now. It emits what is due and yields the time of its next step, in µs."""
        heappush(self._heap, (self.now, next(self._turn), lifecycle.__next__))

    def after(self, mean_s: float) -> int:
        """The time, in µs, of a next step after an exponential delay, and at least a millisecond."""
        return self.now + 1_000 + int(log(1.0 - self.random()) * mean_s * -SECOND)

    def identity(self, kind: str) -> str:
        """A new id, unique over all runs."""
        self._identities += 1
        return f"{kind}_{self._run}{self._identities * _ODD & _MASK:016x}"

    def trace(self) -> str:
        """A new W3C trace id."""
        return f"{self._bits(128):032x}"

    @staticmethod
    def instant(at_us: int) -> str:
        """RFC 3339 in UTC, whole seconds."""
        return datetime.fromtimestamp(at_us // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def during(self, name: str) -> Scenario | None:
        """The scenario of this name, if it lasts now."""
        return self._incidents.during(name, self.now)

    def end_of(self, name: str) -> int | None:
        """When the scenario ends, in µs; None if it does not last now."""
        return self._incidents.end_us(name, self.now)

    def leak(self, charge_minor: int, due_minor: int) -> int:
        """What a payout is made out to: `due_minor`, or more than its charge if it is to leak."""
        incident = self.during(RECON_LEAK)
        share = max(self._leak_share(), incident.share if incident else 0.0)
        if not share or self._leak_draw() >= share:
            return due_minor
        self.leaks += 1
        return charge_minor * 3 // 2

    def _leak_share(self) -> float:
        faults, since = self.faults, (self.now - self.start_us) / SECOND
        lasts = since >= faults.leak_after_s and (faults.leak_until_s is None or since < faults.leak_until_s)
        return faults.recon_leak if lasts else 0.0

    def emit(self, name: str, tail: str, key: bytes, payload: str) -> None:
        """Send an event that happens now, with its faults. `tail` (source, city and trace_id) and `payload`
        are members of the envelope and of the payload, as JSON text."""
        second, micros = divmod(self.now, SECOND)
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        self._events += 1
        value = (
            f'{{"event_id":"evt_{self._run}{self._events * _ODD & _MASK:016x}","event":"{name}","version":1,'
            f'"occurred_at":"{self._second_text}.{micros:06d}Z",{tail},"payload":{{{payload}}}}}'
        ).encode()
        record = Record(key, value, self.now)
        if self.faults.scenarios and self._emit_incident(record, value, tail):
            return
        if self._faulty_share and (drawn := self._fault_draw()) < self._faulty_share:
            self._emit_faulty(record, value, drawn)
        else:
            self._out.append(record)

    def _emit_incident(self, record: Record, value: bytes, tail: str) -> bool:
        """Do to an event what the scenarios do that last now. Returns whether that sent it."""
        if (broken := self.during(SCHEMA_BREAK)) and _is_of(tail, broken):
            spoiled = POSITION.sub(rb'"position":"\1"', value)
            if spoiled != value:
                self._out.append(record._replace(value=spoiled, bad=Reason.PAYLOAD_FIELD.value))
                return True
        if (bad := self.during(BAD_PRODUCER)) and _is_of(tail, bad) and self._incident_draw() < bad.share:
            self._emit_bad(record, value, self._incident_draw)
        flood = self.during(LATE_FLOOD)
        if flood and self._incident_draw() < flood.share:
            self._emit_late(record, self._incident_draw)
            return True
        return False

    def _emit_faulty(self, record: Record, value: bytes, drawn: float) -> None:
        faults = self.faults
        if drawn < faults.late:
            self._emit_late(record, self._fault_draw)
            return
        if drawn < faults.late + faults.duplicates:
            self.duplicates += 1
            self._send_later(record, 0.0, RETRY_S, self._fault_draw)
        else:
            self._emit_bad(record, value, self._fault_draw)
        self._out.append(record)

    def _emit_bad(self, record: Record, value: bytes, draw: Callable[[], float]) -> None:
        """Send a bad record beside the event it is made from."""
        reason = draw_reason(draw)
        spoiled, _ = spoil(reason, value, draw, self._max_event_bytes)
        self._out.append(record._replace(value=spoiled, bad=reason.value))

    def _emit_late(self, record: Record, draw: Callable[[], float]) -> None:
        self.late += 1
        mean_s = LATE_RARELY_S if draw() < LATE_RARELY else LATE_MOSTLY_S
        self._send_later(record, 2.0, mean_s, draw)

    def _send_later(self, record: Record, least_s: float, mean_s: float, draw: Callable[[], float]) -> None:
        delay_us = int((least_s - log(1.0 - draw()) * mean_s) * SECOND)
        self.begin(self._held(record, self.now + delay_us))

    def _held(self, record: Record, until_us: int) -> Iterator[int]:
        yield until_us
        self._out.append(record._replace(at_us=self.now))


def _is_of(tail: str, scenario: Scenario) -> bool:
    return tail.startswith(f'"source":"{scenario.source}"')
