"""Validation of Kafka record values (docs/contract.md §1): the fast decoder and checks of whole batches, and
the complete judgement for what they refuse. Both give the same verdict on every record.
"""

from __future__ import annotations

import numpy as np

from schemas.times import Micros, micros, parse_all
from schemas.validation.avro import AvroDecoder, AvroRecordError
from schemas.validation.columns import Columns, kept_of
from schemas.validation.decoded import Decoded, Readers
from schemas.validation.fast_path import Event
from schemas.validation.reasons import Quarantined, Reason, UnreadBatch, quarantined
from schemas.validation.slow_path import is_future, validate_json, validate_object


class Validator:
    """Judges records of up to `max_event_bytes`. `avro` reads those in Confluent's wire format; without it
    every schema id is unknown."""

    def __init__(self, max_event_bytes: int = 65536, avro: AvroDecoder | None = None) -> None:
        self.max_event_bytes = max_event_bytes
        self._avro = avro or AvroDecoder({})

    def validate(self, value: bytes | None, timestamp_ms: int) -> Event | Quarantined:
        """Judge one record; `timestamp_ms` is its Kafka timestamp (-1: it has none)."""
        decoded = self.decode_batch([value], [timestamp_ms])
        event: Event | None = decoded.kept[0]
        return event or decoded.bad[0][1]

    def validate_one(self, value: bytes | None, timestamp_ms: int) -> Event | Quarantined:
        """The complete judgement, without the fast decoder; the verdict is that of `validate`."""
        if isinstance(value, UnreadBatch):
            return value.why
        if value is not None and len(value) > self.max_event_bytes:
            return quarantined(
                Reason.TOO_LARGE, f"the record has {len(value)} bytes; {self.max_event_bytes} are allowed"
            )
        if not value:
            return quarantined(Reason.EMPTY, "the record has no value")
        if value[0] != 0:
            return validate_json(value, timestamp_ms)
        try:
            members = self._avro.decode(value)
        except AvroRecordError as error:
            return quarantined(error.reason, str(error))
        return validate_object(members, timestamp_ms)

    def decode_batch(
        self, values: list[bytes | None], timestamps_ms: list[int], readers: Readers | None = None
    ) -> Decoded:
        """Judge the records of a batch; `timestamps_ms` are their Kafka timestamps, aligned with `values`.

        `readers` names for an event's class what reads from an event all that is to be kept of it; of other
        events nothing is kept. Without it, the events themselves are. Batches of about a hundred to five
        hundred records are best: what is made of them stays in a cache.
        """
        columns = Columns()
        if not values:
            return Decoded([], [], [], [], np.zeros(0, np.int64), [])
        columns.fill(values, readers)
        times, wrong_times = parse_all(columns.occurred)
        suspects = columns.suspects | columns.bad_texts() | wrong_times | _in_future(times, timestamps_ms)
        suspects |= self._too_large(values)
        kinds: list[type[Event] | None] = columns.kinds  # type: ignore[assignment]
        kept, ids, cities = columns.kept, columns.ids, columns.cities
        bad: list[tuple[int, Quarantined]] = []
        for index in sorted(suspects):
            verdict = self.validate_one(values[index], timestamps_ms[index])
            if isinstance(verdict, Quarantined):
                kinds[index] = kept[index] = None
                bad.append((index, verdict))
            else:
                kinds[index], cities[index] = verdict.__class__, verdict.city
                ids[index] = verdict.event_id.encode()
                (kept[index],) = kept_of([verdict], readers)
                times[index] = micros(verdict.occurred_at)
        return Decoded(kinds, kept, ids, cities, times, bad)

    def _too_large(self, values: list[bytes | None]) -> set[int]:
        limit = self.max_event_bytes
        if max(map(len, filter(None, values)), default=0) <= limit:
            return set()
        return {index for index, value in enumerate(values) if value is not None and len(value) > limit}


def _in_future(times: Micros, timestamps_ms: list[int]) -> set[int]:
    oldest_ms = min(timestamps_ms)
    if oldest_ms >= 0 and not is_future(int(times.max()), oldest_ms):
        return set()
    return set(np.flatnonzero(is_future(times, np.array(timestamps_ms, np.int64))).tolist())
