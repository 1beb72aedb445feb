"""The verdicts on a batch of records, in columns: what a fold needs of every event lies together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from schemas.times import Micros
from schemas.validation.adapting import Adapted
from schemas.validation.fast_path import Event
from schemas.validation.reasons import Quarantined

Readers = Mapping[type[Event], Callable[[Any], Any]]
"""What reads from an event all that is to be kept of it, by its class."""


class Decoded(NamedTuple):
    """A batch's verdicts; all columns but `bad` are aligned with the batch.

    `kinds`: each event's class; None for a bad record. `kept`: what was kept of the event, or None. `ids`: as
    UTF-8. `cities`. `times`: when it occurred, µs since 1970 UTC. `sources`: who sent it, if that was asked
    for. Of a bad record these four are anything. `texts`: the records as JSON, whatever they were written in;
    of a bad one that cannot be said its value. `bad` holds (index, verdict), ascending. `adapted`: the events
    that were sent in another version, by their index; their text is that of the declared one.
    """

    kinds: list[type[Event] | None]
    kept: list[Any]
    ids: list[bytes]
    cities: list[str | None]
    times: Micros
    texts: list[bytes | None]
    bad: list[tuple[int, Quarantined]]
    sources: list[str]
    adapted: dict[int, Adapted]
