"""Raw record batches of one source partition → views and quarantine: validate, fold, collect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agents.protocols import SLICE_RECORDS, FeedRecord
from agents.quarantine.record import Message, encode
from agents.quarantine.traces import trace_id_of
from agents.records import Unpacked
from agents.views.ages import Ages
from schemas.times import FUTURE_MS
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from tables.fingerprint import fingerprint_of
from tables.fold.state import PartitionState
from tables.spec.records import UNKNOWN


class BadRecord(NamedTuple):
    """One that was quarantined: where it was, and its trace, if it says one."""

    topic: str
    partition: int
    offset: int
    trace_id: str | None


@dataclass
class Interval:
    """What happened between two checkpoints of a partition, ready to be written.

    `first_timestamp_ms`: Kafka timestamp of its first record; if it has none, the time it was read.
    `outcomes` counts (event name, outcome);
    `adapted` counts (event name, version) of what was sent in another version than the declared one.
    `reasons` counts (code, reason) of what was quarantined; `examples`: by code the first of it. `records`
    counts the raw records read.
    """

    next_offset: int
    first_timestamp_ms: int | None = None
    records: int = 0
    bad_bytes: int = 0
    ages: Ages = field(default_factory=Ages)
    feed: list[FeedRecord] = field(default_factory=list)
    quarantine: list[Message] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    adapted: Counter[tuple[str, int]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[str, BadRecord] = field(default_factory=dict)


class GapError(Exception):
    """Records are missing between the fold's position and what came next. `str()` states which."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"offsets {expected} to {got - 1} are missing")
        self.expected = expected
        self.got = got


class Projector:
    """The fold of one source partition: synchronous, and pure except for the clock passed to it.

    `look`: is given the records as they are folded, some at a time.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        state: PartitionState,
        validator: Validator,
        now_ms: Callable[[], int],
        *,
        look: Callable[[Sequence[Any]], None] | None = None,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.state = state
        self._validator = validator
        self._now_ms = now_ms
        self._look = look
        self._interval = Interval(state.next_offset)
        self._newest: Any = None

    @property
    def pending(self) -> Interval:
        """What has been folded since the last `interval()`; its `feed` is still empty."""
        return self._interval

    def fold(self, before: int, after: int, batches: Sequence[Any]) -> None:
        """Fold all records from the fold's position up to `after`.

        `before` is the consumer's position before these batches. Records below the fold's position have been
        folded already and are skipped. Raises `GapError` when the batches begin above it, and
        `UndecidedError` when all before a record of an undecided schema is folded: call it again once that is
        decided.
        """
        position = self.state.next_offset
        if before > position:
            raise GapError(position, before)
        if after <= position:
            return
        records = Unpacked(batches, position)
        try:
            while self._fold_slice(records.take(SLICE_RECORDS)):
                pass  # and that slice is released before the next one is made
            self.state.next_offset = after
        finally:
            self._folded()

    def _folded(self) -> None:
        """What has been folded so far may be written."""
        self._interval.next_offset = self.state.next_offset
        if self._newest is not None:
            self.state.last_record = fingerprint_of(self._newest)
            self._newest = None  # a reference would keep its batch in memory

    def lose(self, until: int) -> None:
        """Kafka no longer has the records from the fold's position up to `until`: record it, go on there."""
        self.state.lose(until, (self._now_ms() + FUTURE_MS) * 1000)
        self._interval.next_offset = until

    def interval(self) -> Interval | None:
        """Close the interval: what a checkpoint must write, or None when nothing was read."""
        done = self._interval
        if not self.state.dirty and not done.quarantine:
            return None
        done.feed = self.state.changes(self._now_ms())
        self._interval = Interval(self.state.next_offset)
        return done

    def _fold_slice(self, records: list[Any]) -> bool:
        """Fold these records; False: there were none."""
        if not records:
            return False
        interval = self._interval
        timestamps = [record.timestamp for record in records]
        values = [record.value for record in records]
        state = self.state
        decoded = self._validator.decode_batch(
            values, timestamps, state.readers, with_sources=state.wants_sources
        )
        if interval.first_timestamp_ms is None:
            interval.first_timestamp_ms = timestamps[0] if timestamps[0] >= 0 else self._now_ms()
        interval.records += len(records)
        interval.ages.add(timestamps)
        self._newest = records[-1]
        if self._look is not None:
            self._look(records)
        if decoded.bad:
            self._quarantine(records, decoded.bad)
        for sent in decoded.adapted.values():
            interval.adapted[sent.event, sent.version] += 1
        counts = self.state.fold(
            decoded,
            timestamps,
            first_offset=records[0].offset,
            next_offset=records[-1].offset + 1,
            now_ms=self._now_ms(),
        )
        for outcome, by_event in counts.items():
            for event, count in by_event.items():
                interval.outcomes[event, outcome] += count
        return True

    def _quarantine(self, records: list[Any], bad: list[tuple[int, Quarantined]]) -> None:
        interval = self._interval
        now_ms = self._now_ms()
        for index, why in bad:
            message = encode(self.topic, self.partition, records[index], why, now_ms)
            interval.quarantine.append(message)
            interval.bad_bytes += len(message.value or b"") + len(message.key or b"")
            interval.reasons[why.code, why.reason] += 1
            if why.code not in interval.examples:
                trace_id = trace_id_of(message.value, getattr(records[index], "headers", ()))
                at = self.topic, self.partition, records[index].offset
                interval.examples[why.code] = BadRecord(*at, trace_id)
            interval.outcomes[why.event or UNKNOWN, "quarantined"] += 1
