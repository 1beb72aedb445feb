"""Validation of Kafka record values (docs/contract.md §1): the fast decoder and checks of whole batches, and
the complete judgement for what they refuse. Both give the same verdict on every record.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.times import Micros, micros, parse_all
from schemas.validation.adapting import Adapted, adapted, readapted
from schemas.validation.avro.known_schemas import MAGIC, KnownSchemas, schema_id
from schemas.validation.avro.writer_schema import JSON, AvroRecordError
from schemas.validation.columns import Columns, kept_of
from schemas.validation.decoded import Decoded, Readers
from schemas.validation.fast_path import Event
from schemas.validation.reasons import Quarantined, Reason, UnreadBatch, quarantined
from schemas.validation.slow_path import is_future, validate_json


class Validator:
    """Judges records of up to `max_event_bytes`. `schemas` reads those in Confluent's wire format; without it
    every schema id is unknown. Every method raises `UndecidedError` for records of schemas about which
    nothing is decided yet."""

    def __init__(self, max_event_bytes: int = 65536, schemas: KnownSchemas | None = None) -> None:
        self.max_event_bytes = max_event_bytes
        self._schemas = schemas

    def validate(self, value: bytes | None, timestamp_ms: int) -> Event | Quarantined:
        """Judge one record; `timestamp_ms` is its Kafka timestamp (-1: it has none)."""
        decoded = self.decode_batch([value], [timestamp_ms])
        event: Event | None = decoded.kept[0]
        return event or decoded.bad[0][1]

    def validate_one(self, value: bytes | None, timestamp_ms: int) -> Event | Quarantined:
        """The complete judgement, without the fast decoder; the verdict is that of `validate`."""
        verdict, text = self._judged(value, timestamp_ms)
        found = adapted(verdict, text) if isinstance(verdict, Quarantined) else verdict
        if not isinstance(found, Adapted):
            return found
        verdict = validate_json(found.text, timestamp_ms)
        return readapted(verdict, found) if isinstance(verdict, Quarantined) else verdict

    def _judged(self, value: bytes | None, timestamp_ms: int) -> tuple[Event | Quarantined, bytes | None]:
        """The complete judgement, and the record as JSON."""
        if isinstance(value, UnreadBatch):
            return value.why, value
        if value is not None and len(value) > self.max_event_bytes:
            problem = f"the record has {len(value)} bytes; {self.max_event_bytes} are allowed"
            return quarantined(Reason.TOO_LARGE, problem), value
        if not value:
            return quarantined(Reason.EMPTY, "the record has no value"), value
        if value[0] != MAGIC:
            return validate_json(value, timestamp_ms), value
        return self._judged_of_schema(value, timestamp_ms)

    def _judged_of_schema(self, value: bytes, timestamp_ms: int) -> tuple[Event | Quarantined, bytes]:
        try:
            if self._schemas is None:
                problem = f"no registry is set for schema {schema_id(value)} (SLUICE_SCHEMA_REGISTRY_URL)"
                return quarantined(Reason.UNKNOWN_SCHEMA_ID, problem), value
            schema = self._schemas.schema_of(value, timestamp_ms)
            text = schema.json(value)
        except AvroRecordError as error:
            return quarantined(error.reason, str(error)), value
        if not text:
            return quarantined(Reason.EMPTY, "nothing follows the id of its schema"), value
        verdict = validate_json(text, timestamp_ms)
        if isinstance(verdict, Quarantined) and verdict.reason == Reason.NOT_JSON and schema.kind != JSON:
            verdict = quarantined(Reason.AVRO_UNDECODABLE, f"as JSON it is {verdict.detail}")
        return verdict, text

    def decode_batch(
        self,
        values: list[bytes | None],
        timestamps_ms: list[int],
        readers: Readers | None = None,
        *,
        with_sources: bool = False,
    ) -> Decoded:
        """Judge the records of a batch; `timestamps_ms` are their Kafka timestamps, aligned with `values`.

        `readers` names for an event's class what reads from an event all that is to be kept of it; of other
        events nothing is kept. Without it, the events themselves are. `with_sources`: their sources too.
        Batches of about a hundred to five hundred records are best: what is made of them stays in a cache.
        """
        columns = Columns()
        if not values:
            return Decoded([], [], [], [], np.zeros(0, np.int64), [], [], [], {})
        texts = values if self._schemas is None else self._schemas.as_json(values, timestamps_ms)
        columns.fill(texts, readers, with_sources=with_sources)
        times, wrong_times = parse_all(columns.occurred)
        suspects = columns.suspects | columns.bad_texts() | wrong_times | _in_future(times, timestamps_ms)
        suspects |= self._too_large(values)
        kinds: list[type[Event] | None] = columns.kinds  # type: ignore[assignment]
        kept, ids, cities = columns.kept, columns.ids, columns.cities
        bad: list[tuple[int, Quarantined]] = []
        others: dict[int, Adapted] = {}
        for index in sorted(suspects):
            verdict, text = self._judged(values[index], timestamps_ms[index])
            if text is not texts[index]:
                texts[index] = text
            if isinstance(verdict, Quarantined):
                kinds[index] = kept[index] = None
                found = adapted(verdict, text)
                if isinstance(found, Adapted):
                    others[index] = found
                else:
                    bad.append((index, found))
            else:
                kinds[index], cities[index] = verdict.__class__, verdict.city
                ids[index] = verdict.event_id.encode()
                if with_sources:
                    columns.sources[index] = verdict.source
                (kept[index],) = kept_of([verdict], readers)
                times[index] = micros(verdict.occurred_at)
        decoded = Decoded(kinds, kept, ids, cities, times, texts, bad, columns.sources, others)
        return self._with_adapted(decoded, timestamps_ms, readers) if others else decoded

    def _with_adapted(self, batch: Decoded, timestamps_ms: list[int], readers: Readers | None) -> Decoded:
        """The batch with what its adapted events are decoded as in the place of each."""
        with_sources = bool(batch.sources)
        indexes = list(batch.adapted)
        made = _PLAIN.decode_batch(
            [one.text for one in batch.adapted.values()],
            [timestamps_ms[index] for index in indexes],
            readers,
            with_sources=with_sources,
        )
        texts = batch.texts.copy()  # the caller's values, perhaps
        columns: list[tuple[list[Any], list[Any]]] = [(texts, made.texts), (batch.kinds, made.kinds)]
        columns += [(batch.kept, made.kept), (batch.ids, made.ids), (batch.cities, made.cities)]
        columns += [(batch.sources, made.sources)] if with_sources else []
        for column, given in columns:
            for index, one in zip(indexes, given, strict=True):
                column[index] = one
        batch.times[indexes] = made.times
        for at, verdict in made.bad:
            index = indexes[at]
            batch.bad.append((index, readapted(verdict, batch.adapted.pop(index))))
        batch.bad.sort()
        return batch._replace(texts=texts)

    def _too_large(self, values: list[bytes | None]) -> set[int]:
        limit = self.max_event_bytes
        if max(map(len, filter(None, values)), default=0) <= limit:
            return set()
        return {index for index, value in enumerate(values) if value is not None and len(value) > limit}


_PLAIN = Validator(1 << 40)
"""For what adapters made: JSON of any size, as the event it was made of has been found small enough."""


def _in_future(times: Micros, timestamps_ms: list[int]) -> set[int]:
    oldest_ms = min(timestamps_ms)
    if oldest_ms >= 0 and not is_future(int(times.max()), oldest_ms):
        return set()
    return set(np.flatnonzero(is_future(times, np.array(timestamps_ms, np.int64))).tolist())
