"""What tells a record from any other at its offset: kept where work was left off, and held against Kafka."""

from __future__ import annotations

from typing import Protocol

import google_crc32c
import msgspec


class Marked(Protocol):
    """What is read of a Kafka record."""

    @property
    def offset(self) -> int:
        """Its offset."""

    @property
    def timestamp(self) -> int | None:
        """Its Kafka timestamp, in ms; None or -1: it has none."""

    @property
    def value(self) -> bytes | None:
        """Its value; None: a tombstone."""


class RecordFingerprint(msgspec.Struct, frozen=True):
    """A record's fingerprint: Kafka timestamp (ms, -1: none) and the CRC-32C of its value, at its offset.

    Of the record and not of its batch, which the broker may pack anew.
    """

    offset: int
    timestamp_ms: int
    crc32c: int


def fingerprint_of(record: Marked) -> RecordFingerprint:
    """The fingerprint of a record."""
    timestamp = record.timestamp
    crc = google_crc32c.value(record.value or b"")
    return RecordFingerprint(record.offset, -1 if timestamp is None else timestamp, crc)
