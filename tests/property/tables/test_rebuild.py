"""A definition that is rebuilt and adopted is as if its partition had computed it all along."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.validation.fast_path import EVENT_TYPES
from tables.codec import decode_checkpoint, decode_partial
from tables.definitions import ALIAS, alias_of, definition_of
from tables.fold.adoption import adopted, switched
from tables.fold.state import PartitionState
from tables.keys import EntityKey, ExperimentKey, WindowedKey, parse_key
from tables.spec.problems import problems
from tables.spec.view import View
from tables.spec.written import decode_view, encode_view
from tables.views import VIEWS
from tests.oracle.tables import Feed, Made, write
from tests.support.changed_views import otherwise
from tests.support.examples import examples
from tests.support.partition_strategy import LIMITS, fold, records

TOPIC = "events.raw"
FORMER = {name: otherwise(view) for name, view in VIEWS.items()}


@pytest.mark.parametrize("view", [*VIEWS.values(), *FORMER.values()], ids=lambda view: view.name)
def test_a_declaration_is_read_back_as_it_was_written(view: View) -> None:
    assert problems(view, EVENT_TYPES) == []
    read = decode_view(encode_view(view), EVENT_TYPES)
    assert (read, read.definition_hash) == (view, view.definition_hash)
    assert encode_view(read) == encode_view(view)


class Partition:
    """What a worker or a rebuild has written of some source records, by any batches and restarts."""

    def __init__(self, made: list[Made], data: st.DataObject, topic: str = TOPIC) -> None:
        self.feed = Feed()
        self._made, self._data, self._topic = made, data, topic

    def state(self, views: Iterable[View]) -> PartitionState:
        state = PartitionState(self._topic, views, LIMITS)
        state.restore(self.feed)
        state.restored()
        return state

    def fold(self, views: Iterable[View], until: int) -> PartitionState:
        """A process begins where the last one ended, folds the records below `until`, and writes."""
        views = list(views)
        state = self.state(views)
        while state.next_offset < until:
            count = self._data.draw(st.integers(1, 9))
            batch = self._made[state.next_offset : min(until, state.next_offset + count)]
            fold(state, batch, {"accepted": {}, "duplicate": {}, "late_dropped": {}})
            if self._data.draw(st.booleans()):
                write(self.feed, state.changes(0))
                if self._data.draw(st.booleans()):
                    state = self.state(views)
        if state.dirty:
            write(self.feed, state.changes(0))
        return state

    def has(self, view: View) -> dict[Any, Any]:
        """What there is of a view by this definition."""
        found: dict[Any, Any] = {}
        for key, value in self.feed.items():
            parsed = parse_key(key)
            mine = isinstance(parsed, EntityKey | ExperimentKey | WindowedKey) and parsed[:2] == (
                view.name,
                view.definition_hash,
            )
            if mine:
                if isinstance(parsed, EntityKey | ExperimentKey):
                    found[parsed[3]] = msgspec.msgpack.decode(value)
                else:
                    assert isinstance(parsed, WindowedKey)
                    where = (parsed.unit, parsed.number)
                    found |= {(where, group): row for group, row in decode_partial(value)}
        return found


@examples(40, chaos=2_000)
@given(records(), st.sampled_from(sorted(VIEWS)), st.data())
def test_an_adopted_definition_has_what_it_would_have_had(
    made: list[Made], name: str, data: st.DataObject
) -> None:
    view, former = VIEWS[name], FORMER[name]
    before = data.draw(st.integers(0, len(made)))
    at = data.draw(st.integers(before, len(made)))
    later = data.draw(st.integers(at, len(made)))
    worker, rebuild = Partition(made, data), Partition(made, data, alias_of(TOPIC, view))
    worker.fold({**VIEWS, name: former}.values(), before)
    if not before:  # it has a position at least
        write(worker.feed, worker.state({**VIEWS, name: former}.values()).changes(0))
    worker.fold(VIEWS.values(), at)
    base = rebuild.fold([view], at)
    write(worker.feed, rebuild.feed.items())  # workers pass it over
    records = adopted(
        view, base, decode_checkpoint(worker.feed[b"c:events.raw"]), topic=TOPIC, there=set(), at_ms=0
    )
    write(worker.feed, records)
    state = worker.fold(VIEWS.values(), later)
    checkpoint = state.checkpoint(0)
    assert checkpoint.views[name][0] == former.definition_hash
    assert checkpoint.beside == {name: (view.definition_hash, 0)}
    assert checkpoint.partial_until == {}
    expected = Partition(made, data)
    expected.fold({**VIEWS, name: former}.values(), later)
    assert worker.has(former) == expected.has(former), "the former one goes on"

    write(worker.feed, [switched(view, TOPIC, decode_checkpoint(worker.feed[b"c:events.raw"]), 0)])
    checkpoint = worker.fold(VIEWS.values(), len(made)).checkpoint(0)
    expected = Partition(made, data)
    whole = expected.fold(VIEWS.values(), len(made))
    assert checkpoint.views == {**whole.checkpoint(0).views}
    assert (checkpoint.beside, checkpoint.partial_until) == ({}, {})
    for one in VIEWS.values():
        assert worker.has(one) == expected.has(one)
    left = {key for key in worker.feed if definition_of(former).encode() in key}
    assert not {key for key in left if ALIAS.encode() not in key}
