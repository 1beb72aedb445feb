"""How far each target has been told, in the metadata of one offset."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.notify.announcer import Mark, Source
from streams.roles.notify.positions import MOST_METADATA, Position, decode, encode
from streams.roles.notify.targets import MOST_TARGETS


@st.composite
def positions(draw: st.DrawFn, most: int = 5) -> Position:
    ends = {source: draw(st.integers(0, 2**40)) for source in Source}
    undone = {
        Mark(source, end - 1 - draw(st.integers(0, min(end - 1, 10_000))))
        for source, end in ends.items()
        for _ in range(draw(st.integers(0, most)))
        if end
    }
    return Position(ends, frozenset(undone))


@given(st.dictionaries(st.sampled_from(["ops", "pager", "hook"]), positions()))
def test_it_is_read_as_it_was_written(said: dict[str, Position]) -> None:
    offset, text = encode(said)
    assert decode(text) == said
    assert all(offset <= position.first(Source.ALARMS) for position in said.values())


@given(positions(most=400))
def test_what_does_not_fit_is_told_again_and_nothing_is_left_out(one: Position) -> None:
    said = {f"{number:040}": one for number in range(MOST_TARGETS)}
    _, text = encode(said)
    assert len(text) <= MOST_METADATA
    for position in decode(text).values():
        assert not any(position.is_done(mark) for mark in one.undone)
        assert not any(position.is_done(Mark(source, end)) for source, end in one.ends.items())


def test_what_others_have_written_is_no_position() -> None:
    for text in ("", "{", '{"ops":{"elsewhere":[1]}}', '{"ops":{"ops.alarms":[]}}', '["ops"]'):
        assert decode(text) == {}
