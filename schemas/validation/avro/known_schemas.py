"""The schemas of records, as the log of schemas has decided: the fold of its entries, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.validation.avro.log_entries import Entry, SchemaEntry
from schemas.validation.avro.transcoder import HEADER_BYTES
from schemas.validation.avro.writer_schema import AvroRecordError, WriterSchema
from schemas.validation.reasons import Reason, UnreadBatch

MAGIC = 0
"""The first byte of the wire format; the schema's id follows, four bytes, big-endian."""
NEVER = -(2**62)


def schema_id(value: bytes) -> int:
    """The id that a record in the wire format begins with. Raises `AvroRecordError`."""
    if len(value) < HEADER_BYTES:
        problem = f"the record ends within the {HEADER_BYTES} bytes that name its schema"
        raise AvroRecordError(Reason.AVRO_UNDECODABLE, problem)
    return int.from_bytes(value[1:HEADER_BYTES], "big")


def schema_id_of(value: bytes | None) -> int | None:
    """The id of the schema of a record that is in the wire format; None: it is not."""
    if not value or value[0] != MAGIC or len(value) < HEADER_BYTES:
        return None
    return schema_id(value)


class UndecidedError(Exception):
    """Nothing has been decided about the schemas of some records. `ids`: each id, and the newest Kafka
    timestamp (ms) of its records."""

    def __init__(self, ids: dict[int, int]) -> None:
        super().__init__(f"undecided schema ids: {', '.join(map(str, list(ids)[:10]))}")
        self.ids = ids


class _Known(NamedTuple):
    schema: WriterSchema
    unknown_before_ms: int


class KnownSchemas:
    """Reads records in the wire format. With `final` what is undecided is unknown: nobody waits for it."""

    def __init__(self, *, final: bool = False) -> None:
        self._final = final
        self._known: dict[int, _Known] = {}
        self._always: dict[bytes, WriterSchema] = {}
        """Those that every record of their ids is read with, by the id's bytes."""
        self._unknown_before_ms: dict[int, int] = {}
        self._all_unknown_before_ms = NEVER
        self.times_unknown: dict[int, int] = {}
        """How often an id that has no schema was given up."""

    def take(self, entry: Entry) -> None:
        """An entry of the log; in their order."""
        if isinstance(entry, SchemaEntry):
            if entry.id not in self._known:
                cut = self._cut_of(entry.id)
                schema = WriterSchema(entry.id, entry.kind, entry.text, entry.references)
                self._known[entry.id] = _Known(schema, cut)
                if cut == NEVER:
                    self._always[entry.id.to_bytes(4, "big")] = schema
                self._unknown_before_ms.pop(entry.id, None)
                self.times_unknown.pop(entry.id, None)
        elif not entry.ids:
            self._all_unknown_before_ms = max(self._all_unknown_before_ms, entry.before_ms)
        else:
            for number in entry.ids:
                if number not in self._known:
                    before_ms = max(self._unknown_before_ms.get(number, NEVER), entry.before_ms)
                    self._unknown_before_ms[number] = before_ms
                    self.times_unknown[number] = self.times_unknown.get(number, 0) + 1

    def schemas(self) -> list[WriterSchema]:
        """All that are known."""
        return [known.schema for known in self._known.values()]

    def is_decided(self, number: int, timestamp_ms: int) -> bool:
        """Whether a record of this id and Kafka timestamp can be judged."""
        return number in self._known or timestamp_ms < self._cut_of(number)

    def schema_of(self, value: bytes, timestamp_ms: int) -> WriterSchema:
        """What a record was written with. Raises `AvroRecordError` and `UndecidedError`."""
        number = schema_id(value)
        known = self._known.get(number)
        if known is not None and timestamp_ms >= known.unknown_before_ms:
            return known.schema
        if known is None and not self._final and timestamp_ms >= self._cut_of(number):
            raise UndecidedError({number: timestamp_ms})
        raise AvroRecordError(Reason.UNKNOWN_SCHEMA_ID, f"the registry had no schema {number} for it in time")

    def as_json(self, values: Sequence[bytes | None], timestamps_ms: Sequence[int]) -> list[bytes | None]:
        """The values with JSON in the place of those in the wire format; what cannot be read stays.

        Raises `UndecidedError` for all of them together.
        """
        texts = list(values)
        undecided: dict[int, int] = {}
        always = self._always.get
        for index, value in enumerate(values):
            if not value or value[0] or value.__class__ is UnreadBatch:
                continue
            try:
                schema = always(value[1:HEADER_BYTES]) or self.schema_of(value, timestamps_ms[index])
                texts[index] = schema.json(value)
            except AvroRecordError:
                pass
            except UndecidedError as error:
                for number, timestamp_ms in error.ids.items():
                    undecided[number] = max(undecided.get(number, timestamp_ms), timestamp_ms)
        if undecided:
            raise UndecidedError(undecided)
        return texts

    def _cut_of(self, number: int) -> int:
        return max(self._unknown_before_ms.get(number, NEVER), self._all_unknown_before_ms)
