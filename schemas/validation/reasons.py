"""Why a record is quarantined (docs/contract.md §1): one code and one reason each."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

MAX_DETAIL_BYTES = 512


class Code(StrEnum):
    """What kind of thing is wrong."""

    EVENT_ENVELOPE_INVALID = "EVENT_ENVELOPE_INVALID"
    EVENT_SCHEMA_INVALID = "EVENT_SCHEMA_INVALID"


class Reason(StrEnum):
    """What exactly is wrong."""

    TOO_LARGE = "too_large"
    EMPTY = "empty"
    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    ENVELOPE_FIELD = "envelope_field"
    IN_FUTURE = "in_future"
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_VERSION = "unknown_version"
    PAYLOAD_FIELD = "payload_field"
    AVRO_UNDECODABLE = "avro_undecodable"
    UNKNOWN_SCHEMA_ID = "unknown_schema_id"

    @property
    def code(self) -> Code:
        """The code this reason belongs to."""
        return Code.EVENT_ENVELOPE_INVALID if self in _ENVELOPE else Code.EVENT_SCHEMA_INVALID


_ENVELOPE = frozenset(
    {
        Reason.TOO_LARGE,
        Reason.EMPTY,
        Reason.NOT_JSON,
        Reason.NOT_OBJECT,
        Reason.ENVELOPE_FIELD,
        Reason.IN_FUTURE,
    }
)


class Quarantined(NamedTuple):
    """The verdict on a bad record. `field` is "" where no field is to blame; `detail` is ≤ 512 bytes of UTF-8
    for people, and never shows a value of the record.

    What can be read of the record's envelope, whatever is wrong with the rest: `event`, its name, if that is
    in the catalogue; `source` and `city`, if they are what an event may have. "" and None where it cannot.
    """

    code: Code
    reason: Reason
    field: str
    detail: str
    event: str = ""
    source: str = ""
    city: str | None = None


def quarantined(reason: Reason, detail: str, field: str = "") -> Quarantined:
    """The verdict for `reason`; a longer `detail` is cut to its limit, at a character."""
    cut = detail.encode("utf-8", "replace")[:MAX_DETAIL_BYTES].decode("utf-8", "ignore")
    return Quarantined(reason.code, reason, field, cut)


class UnreadBatch(bytes):
    """A record batch as Kafka holds it, in the place of a record's value: of a batch that cannot be read."""

    why: Quarantined

    @classmethod
    def of(cls, data: bytes | memoryview, why: Quarantined) -> UnreadBatch:
        """These bytes, with the verdict on them."""
        made = cls(data)
        made.why = why
        return made
