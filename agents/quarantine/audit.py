"""Records of `events.quarantine.audit`: what was done with a quarantine record (docs/contract.md §1).

The newest audit record of a quarantine record is its state; a quarantine record without any is open.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

OPEN = "open"
REPLAYED = "replayed"
DISMISSED = "dismissed"
STATES = (OPEN, REPLAYED, DISMISSED)
MOST_REASON = 200
"""Letters of a reason for a dismissal."""


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done (`action`) with one quarantine record, when (`at`: RFC 3339, UTC) and by whom.

    `topic`, `partition` and `offset` are its position in the quarantine, where another record may be once
    that topic was recreated: `quarantined_at` distinguishes the two. `raw_topic` and `raw_partition`: where
    it was sent to. `event_id`: its own, if it has one. `changed`: the members that a repair changed, as
    `event` or `payload.currency`, without their values. `reason`: why it was dismissed.
    """

    action: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}$")]
    at: str
    by: str
    topic: str
    partition: int
    offset: int
    quarantined_at: str
    raw_topic: str | None = None
    raw_partition: int | None = None
    event_id: str | None = None
    changed: list[str] | None = None
    reason: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuditRecord).decode


def encode_audit(record: AuditRecord) -> tuple[bytes, bytes]:
    """Key (`<quarantine topic>/<partition>/<offset>`) and value (JSON)."""
    return f"{record.topic}/{record.partition}/{record.offset}".encode(), _encode(record)


def decode_audit(value: bytes | None) -> AuditRecord | None:
    """An audit record; None for anything else. Unknown members are skipped."""
    try:
        return _decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
