"""What the log of schemas says: that an id has a schema, or that records of it are not waited for.

Every process reads the same log, and the first that was said of a record's id holds for all of them and for
ever: the views, Bronze, and who reads the records again next year agree, whenever the registry answered whom.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Id = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class SchemaEntry(msgspec.Struct, frozen=True, tag_field="entry", tag="schema"):
    """The schema of an id; see `schemas.validation.avro.writer_schema.WriterSchema`."""

    id: Id
    kind: str
    text: str
    references: tuple[str, ...] = ()


class UnknownEntry(msgspec.Struct, frozen=True, tag_field="entry", tag="unknown"):
    """Records of these ids, without any: of every id, are of no known schema if their Kafka timestamp is
    before `before_ms` and no entry above has their schema. `why`: for people."""

    ids: tuple[Id, ...]
    before_ms: int
    why: str


Entry = SchemaEntry | UnknownEntry
_decode = msgspec.json.Decoder(Entry).decode
encode_entry = msgspec.json.Encoder().encode
"""An entry as a record's value."""


def decode_entry(value: bytes | None) -> Entry | None:
    """An entry; None for what is none. Unknown members are skipped."""
    try:
        entry: Entry = _decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return entry
