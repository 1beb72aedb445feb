"""Records of gates, for those who publish them and for those who must obey them (docs/gates.md).

Whoever must obey a gate asks `is_open` about the newest record of its key on `ops.gates`, right before each
step that the gate guards: a record expires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.times import parse_instant
from tables.gates.rule import GateState

RECON = "recon"
VALID_SECONDS = 15


class GateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a record on `ops.gates`, as JSON.

    Times are RFC 3339 in UTC. `since`: when the gate came into its state. `variance_minor`, `charges_minor`:
    minor units of `currency`, over the panes from `window_from` to `window_to`, exclusive (event time; the
    payouts' window: charges, refunds and fees may be shifted). `variance_ratio`: null without charges.
    `reason`: why it is in its state, in words; `warn_at`, `alarm_at`: the ratios above which it warns and
    closes. These three are null in records of before they were there.
    """

    gate: str
    city: str | None
    currency: str
    state: GateState
    open: bool
    previous: GateState | None
    since: str
    evaluated_at: str
    valid_until: str
    variance_minor: int
    variance_ratio: float | None
    charges_minor: int
    window_from: str
    window_to: str
    reason: str | None = None
    warn_at: float | None = None
    alarm_at: float | None = None


encode_gate: Callable[[GateRecord], bytes] = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(GateRecord)


def gate_key(city: str | None, currency: str) -> bytes:
    """The key of a gate's records: `city|currency`; `|currency` for events without a city."""
    return f"{city or ''}|{currency}".encode()


def decode_gate(value: bytes | None) -> GateRecord | None:
    """A gate's record; None for a tombstone and for what is none."""
    if value is None:
        return None
    try:
        record = _decoder.decode(value)
        parse_instant(record.valid_until)
    except (msgspec.MsgspecError, ValueError):
        return None
    return record


def is_open(record: bytes | str | Mapping[str, Any] | None, now: datetime | float) -> bool:
    """Whether a gate lets pass: its newest record says so, and has not expired at `now`.

    `record`: a record's value, as it was read or as the JSON object in it; None where there is none. `now`: a
    datetime with a time zone, or seconds since the epoch. A record that is missing, can't be read or is past
    its `valid_until` counts as closed; so does one that contradicts itself. Raises ValueError for a datetime
    without a time zone.
    """
    if isinstance(now, datetime):
        if now.tzinfo is None:
            raise ValueError("now must have a time zone, such as datetime.now(UTC)")
    else:
        now = datetime.fromtimestamp(now, UTC)
    try:
        found = msgspec.json.decode(record) if isinstance(record, bytes | str) else record
        if not isinstance(found, Mapping) or found["open"] is not True:
            return False
        return GateState(found["state"]).open and not expired(found["valid_until"], now)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError):
        return False


def expired(valid_until: str, now: datetime) -> bool:
    """Whether a record is past its `valid_until`. Raises ValueError where that is no RFC 3339 time."""
    return now > parse_instant(valid_until)
