"""Entities of several cities: what is kept of each, and what a scope sees of it, whatever the order."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tables import entity_cities
from tables.codec import encode_entity
from tables.entity_cities import joined
from tables.read import entity_slots
from tables.read.entity_columns import EntityColumns
from tables.views.ops_acceptance_windows import OPS_ACCEPTANCE_WINDOWS
from tests.support.examples import examples

TRACKS = OPS_ACCEPTANCE_WINDOWS.tracks
assert TRACKS is not None
BY_CITY = TRACKS.state_by_city
MOST = 3
CITIES = ["ulm", "bonn", "jena", "mainz", "trier", None]

State = tuple[Any, ...]
Records = dict[tuple[int, str], list[State]]
"""(source, entity) → its states, the newest of all first."""


def states(most: int) -> st.SearchStrategy[list[State]]:
    """Events of one entity, as its states: opened, time, rank, event_id, city, deadline, provider."""
    event = st.tuples(
        st.booleans(), st.integers(0, 5), st.integers(0, 3), st.sampled_from("abcdefghijkl"),
        st.sampled_from(CITIES), st.none() | st.integers(0, 9), st.just("p"),
    )  # fmt: skip
    return st.lists(event, min_size=1, max_size=most, unique_by=lambda one: one[3])


def place(state: State) -> Any:
    return state[1:4]


def newest_first(found: list[State]) -> list[State]:
    """By definition: of each city its newest event."""
    ordered = sorted(found, key=place, reverse=True)
    return [one for at, one in enumerate(ordered) if one[4] not in {before[4] for before in ordered[:at]}]


def record(found: list[State]) -> list[Any]:
    """By definition: the newest state, and those of the newest cities that are none of its own nor null."""
    by_city = newest_first(found)
    opened = any(one[0] for one in found)
    kept = [one for one in by_city if one[4] is not None][:MOST]
    others = [[opened, *one[1:]] for one in kept if one is not by_city[0]]
    return [opened, *by_city[0][1:], *([others] if others else [])]


@examples(300, chaos=10_000)
@given(states(12), st.data())
def test_neither_order_nor_repeats_nor_how_records_are_joined_changes_anything(
    found: list[State], data: st.DataObject
) -> None:
    again = data.draw(st.permutations(found + data.draw(st.lists(st.sampled_from(found), max_size=4))))
    with patch.object(entity_cities, "MOST_CITIES", MOST):
        records: list[bytes] = []
        for one in again:
            at = data.draw(st.integers(0, len(records)))
            if at == len(records):
                records.append(encode_entity(one))
            else:
                records[at] = joined([records[at]], BY_CITY, one)
        assert msgspec.msgpack.decode(joined(records, BY_CITY)) == record(found)


def seen_in(records: Records, scope: frozenset[str] | None) -> dict[str, State]:
    """By definition: of each entity the newest of the states that may be seen, on all sources."""
    found: dict[str, State] = {}
    for (_, entity_id), all_states in records.items():
        for one in all_states:
            allowed = scope is None or one[4] in scope
            if allowed and (entity_id not in found or place(one) > place(found[entity_id])):
                found[entity_id] = one
    return found


def seen_by(columns: EntityColumns, scope: frozenset[str] | None) -> dict[str, State]:
    slots = columns.select(None, 0, scope).nonzero()[0].tolist()
    found = {}
    for slot in slots:
        state = msgspec.structs.astuple(columns.state(slot))
        assert columns.column("rank")[slot] == state[2]
        assert columns.column("occurred")[slot] == state[1]
        assert columns.groups.groups[columns.column("group")[slot]] == (state[4],)
        found[columns.ids[slot]] = state
    assert len(found) == len(slots), "an entity is seen once"
    return {entity_id or "": state for entity_id, state in found.items()}


changes = st.tuples(
    st.integers(0, 2), st.dictionaries(st.sampled_from("pqrs"), st.none() | states(5), min_size=1)
)


@examples(300, chaos=10_000)
@given(st.lists(changes, max_size=12), st.frozensets(st.sampled_from(["ulm", "bonn", "jena"])))
def test_a_reader_sees_the_newest_of_what_a_scope_may_see(
    steps: list[tuple[int, dict[str, list[State] | None]]], scope: frozenset[str]
) -> None:
    columns, records = EntityColumns(TRACKS, ("city",)), Records()
    with patch.object(entity_slots, "CHUNK", 2), patch("tables.read.entity_columns.FIRST_CAPACITY", 2):
        for source, named in steps:
            packed: dict[str, bytes | None] = {}
            for name, found in named.items():
                records.pop((source, name), None)
                packed[name] = None
                if found is not None:  # an event is on one source
                    mine = [(True, *one[1:3], f"{one[3]}{source}", *one[4:]) for one in found]
                    records[source, name], packed[name] = newest_first(mine), joined([], BY_CITY, *mine)
            columns.put_many(source, packed.items())
            for whose in (None, scope):
                assert seen_by(columns, whose) == seen_in(records, whose)
            assert len(columns) == len({name for _, name in records})
