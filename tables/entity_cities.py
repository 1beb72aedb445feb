"""An entity whose events are of several cities.

Whoever may see some cities alone sees the entity as their events alone make it. So its record has, behind the
newest state of all, the newest one of each other city; each is a join of its own, and neither order nor
repeats change anything. Null is no such city: whoever may see it may see all.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import msgspec

from tables.codec import decode_entity, encode_entity
from tables.spec.tracked import EntityState, elsewhere

MOST_CITIES = 256
"""So many cities an entity has, those with its newest events: its record stays under what brokers take. One
that is left out comes back by a newer event alone, so which are kept depends on no order either."""

State = tuple[Any, ...]
"""opened, occurred_us, rank, event_id, city, and the kept fields."""
_CITY = 4
_place = itemgetter(1, 2, 3)


def joined(records: Iterable[bytes], by_city: type[EntityState], *events: State) -> bytes:
    """One record of what several have of an entity, and of further events.

    `by_city`: what a record is decoded as (`Tracked.state_by_city`). Raises `FeedFormatError`.
    """
    states = [state for record in records for state in _states(decode_entity(record, by_city))]
    opened = False
    cities: dict[str | None, State] = {}
    for state in (*states, *events):
        opened = opened or state[0]
        known = cities.setdefault(state[_CITY], state)
        if _place(state) > _place(known):
            cities[state[_CITY]] = state
    newest = max(cities.values(), key=_place)
    cities.pop(None, None)
    kept = sorted(cities.values(), key=_place, reverse=True)[:MOST_CITIES]
    others = [(opened, *state[1:]) for state in kept if state is not newest]
    return encode_entity((opened, *newest[1:], *([others] if others else [])))


def _states(newest: EntityState) -> Iterable[State]:
    yield msgspec.structs.astuple(newest)[:-1]
    yield from map(msgspec.structs.astuple, elsewhere(newest))
