"""A record's fingerprint: stored with the position it was read at, and later compared with Kafka."""

from __future__ import annotations

from typing import Any

import google_crc32c
import msgspec


class RecordFingerprint(msgspec.Struct, frozen=True):
    """A record's fingerprint: Kafka timestamp (ms, -1: none) and the CRC-32C of its value, at its offset.

    Of the record and not of its batch, which the broker may repack.
    """

    offset: int
    timestamp_ms: int
    crc32c: int


def fingerprint_of(record: Any) -> RecordFingerprint:
    """The fingerprint of a Kafka record: of its `offset`, `timestamp` (ms, None or -1: none) and `value`."""
    timestamp = record.timestamp
    crc = google_crc32c.value(record.value or b"")
    return RecordFingerprint(record.offset, -1 if timestamp is None else timestamp, crc)
