"""Who sent a bad record and what it is, as far as that can be read of it."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from agents.quarantine.record import QuarantineRecord
from schemas.validation.reasons import Reason
from schemas.validation.slow_path import Told, told
from tables.spec.records import UNKNOWN


def told_of(record: QuarantineRecord) -> Told:
    """Its event and source, `UNKNOWN` where they cannot be read, and its city. Of Avro nothing is read."""
    found = Told() if record.reason == Reason.TOO_LARGE else _told(record.value)
    return found._replace(event=found.event or UNKNOWN, source=found.source or UNKNOWN)


def version_of(record: QuarantineRecord) -> int | None:
    """The version that it says, if it is a JSON object that says one."""
    try:
        return _version(record.value or b"").version
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class _Versioned(msgspec.Struct):
    version: int


_version = msgspec.json.Decoder(_Versioned).decode


@lru_cache(maxsize=1)
def _told(value: bytes | None) -> Told:
    """Filters, then groups ask it of the same record."""
    return told(value)
