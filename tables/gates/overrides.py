"""Records of `ops.overrides`: what people decide for a time, whatever a gate's rule says (docs/gates.md)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import msgspec

from schemas.times import instant_us, parse_instant


class Decision(StrEnum):
    """What a gate is to be; `none`: what its rule says, which ends an override."""

    OPEN = "open"
    CLOSED = "closed"
    NONE = "none"


MOST_SECONDS = 24 * 3600
"""For so long an override may be: what is to hold for longer is decided anew each day."""


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A decision about one gate, `subject` (`recon/london|GBP`), by a person.

    `at`, `until`: RFC 3339, UTC: it holds from the one until just before the other. `even_stale`: it opens a
    gate, too, whose figures can't be trusted.
    """

    subject: str
    decision: Decision
    by: str
    reason: str
    at: str
    until: str
    even_stale: bool = False

    def holds(self, now: datetime) -> bool:
        """Whether it counts at a time."""
        return self.decision is not Decision.NONE and now < parse_instant(self.until)

    @property
    def at_us(self) -> int:
        """When it was decided, in µs since the epoch."""
        return instant_us(self.at)

    @property
    def until_us(self) -> int:
        """When it ends, in µs since the epoch."""
        return instant_us(self.until)


encode_override: Callable[[Override], bytes] = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Override)


def decode_override(value: bytes | None) -> Override | None:
    """An override's record; None for a tombstone and for what is none."""
    try:
        found = _decoder.decode(value or b"")
        parse_instant(found.at)
        parse_instant(found.until)
    except (msgspec.MsgspecError, ValueError):
        return None
    return found
