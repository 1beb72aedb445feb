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
from tables.gates.overrides import Decision
from tables.gates.rule import GateState

RECON = "recon"
VALID_SECONDS = 15


class GateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a record on `ops.gates`, as JSON.

    `key`: what tells the gate from others of its name; `city` and `currency` are null where it has none.
    Times are RFC 3339 in UTC. `since`: when the gate came into its state. `window_from`, `window_to`: the
    panes that were added up, exclusive (event time; the window of what comes last, such as payouts, where
    other measures are settled before it); null where it looks at entities. `reason`: why it is in its state,
    in words. `measure`: the watched one that decides; `value`: of it, null of a ratio to nothing; `warn_at`,
    `alarm_at`: its limits. `variance_minor`, `charges_minor` (minor units of `currency`), `variance_ratio`
    (null without charges): of recon alone, null in others. `override`: what a person has decided, and who,
    why, since and until when; null while nobody has.
    """

    gate: str
    city: str | None
    currency: str | None
    state: GateState
    open: bool
    previous: GateState | None
    since: str
    evaluated_at: str
    valid_until: str
    variance_minor: int | None = None
    variance_ratio: float | None = None
    charges_minor: int | None = None
    window_from: str | None = None
    window_to: str | None = None
    reason: str | None = None
    warn_at: float | None = None
    alarm_at: float | None = None
    measure: str | None = None
    value: float | int | None = None
    override: Decision | None = None
    override_by: str | None = None
    override_reason: str | None = None
    override_at: str | None = None
    override_until: str | None = None
    override_even_stale: bool = False
    key: dict[str, str | None] = {}


encode_gate: Callable[[GateRecord], bytes] = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(GateRecord)


def gate_key(city: str | None, currency: str) -> bytes:
    """The key of a recon gate's records: `city|currency`; `|currency` for events without a city."""
    return f"{city or ''}|{currency}".encode()


def record_key(gate: str, values: tuple[str | None, ...]) -> bytes:
    """The key of any gate's records: of another gate than recon `name/value|value`, empty for null, with `%`
    and `|` in a value as %25 and %7C."""
    text = "|".join((value or "").replace("%", "%25").replace("|", "%7C") for value in values)
    return (text if gate == RECON else f"{gate}/{text}").encode()


def split_key(key: bytes) -> tuple[str, tuple[str | None, ...]] | None:
    """The gate's name and the values of a record's key; None where it is of no gate."""
    try:
        name, found, text = key.decode().partition("/")
    except UnicodeDecodeError:
        return None
    if not found:
        name, text = RECON, name
    values = (part.replace("%7C", "|").replace("%25", "%") or None for part in text.split("|"))
    return name, tuple(values)


def subject_of(key: bytes) -> str:
    """What alarms and overrides call the gate of a record's key: `recon/london|GBP`."""
    text = key.decode(errors="replace")
    return text if "/" in text else f"{RECON}/{text}"


def key_of_subject(subject: str) -> bytes:
    """The key of the records of the gate that an alarm or an override calls so."""
    return subject.removeprefix(f"{RECON}/").encode()


def key_of_record(record: GateRecord) -> bytes:
    """The key that a record is to have."""
    values = tuple(record.key.values()) if record.key else (record.city, record.currency)
    return record_key(record.gate, values)


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
        return _may_be_open(found, now) and not expired(found["valid_until"], now)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _may_be_open(found: Mapping[str, Any], now: datetime) -> bool:
    """Whether a record that says so has a state, or a decision, by which it is open."""
    state, decision = GateState(found["state"]), found.get("override")
    if decision == Decision.OPEN and not expired(found["override_until"], now):
        return state is not GateState.STALE or found["override_even_stale"] is True
    return state.open and decision != Decision.CLOSED


def expired(valid_until: str, now: datetime) -> bool:
    """Whether a record is past its `valid_until`. Raises ValueError where that is no RFC 3339 time."""
    return now > parse_instant(valid_until)
