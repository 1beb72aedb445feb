"""The verdict on what was mapped: the catalogue's own, before anything is sent.

A value that is several events is accepted as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from streams.sources.envelope import key_of
from streams.sources.mappings.mapping import Mapped, Mapping, NotForUs, Refused

BATCH = 256
"""So many events are judged together."""


class Sendable(NamedTuple):
    """An accepted event: its Kafka key, its value, its id and its name."""

    key: bytes | None
    value: bytes
    event_id: str
    event: str


class Accepted(NamedTuple):
    """The events of a value, all of them good."""

    events: tuple[Sendable, ...]


Verdict = Accepted | Refused | NotForUs


def verdicts(
    mapping: Mapping, values: Sequence[bytes], validator: Validator, timestamp_ms: int
) -> list[Verdict]:
    """A verdict for each value; `timestamp_ms` is the Kafka timestamp that its events are to get."""
    outcomes = [mapping.outcome(value) for value in values]
    events = [event for outcome in outcomes if isinstance(outcome, Mapped) for event in outcome.events]
    judged = iter(_judged(events, validator, timestamp_ms))
    found: list[Verdict] = []
    for outcome in outcomes:
        if isinstance(outcome, Mapped):
            parts = [next(judged) for _ in outcome.events]
            bad = next((part for part in parts if isinstance(part, Refused)), None)
            found.append(bad or Accepted(tuple(part for part in parts if isinstance(part, Sendable))))
        else:
            found.append(outcome)
    return found


def _judged(events: list[bytes], validator: Validator, timestamp_ms: int) -> list[Sendable | Refused]:
    found: list[Sendable | Refused] = []
    for start in range(0, len(events), BATCH):
        part: list[bytes | None] = [*events[start : start + BATCH]]
        decoded = validator.decode_batch(part, [timestamp_ms] * len(part))
        bad = dict(decoded.bad)
        for index, (value, kind, event_id) in enumerate(zip(part, decoded.kinds, decoded.ids, strict=True)):
            if index in bad:
                found.append(_refused(bad[index]))
            else:
                assert value is not None
                assert kind is not None
                found.append(Sendable(key_of(value), value, event_id.decode(), kind.event))
    return found


def _refused(verdict: Quarantined) -> Refused:
    return Refused(verdict.code, verdict.reason, verdict.field, verdict.detail)
