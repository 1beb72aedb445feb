"""Sums that a reader keeps for windows asked for before equal those of a reader that keeps none."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tables.codec import encode_partial
from tables.read.pane_sums import MOST_SPANS, PaneSums, join
from tests.support.examples import examples

HOURS = 12
LAST = HOURS * 60

puts = st.tuples(
    st.integers(0, 1), st.integers(0, LAST - 1), st.booleans(), st.none() | st.integers(0, 2**60)
)  # source, minute, as a whole hour, value
windows = st.tuples(st.integers(0, LAST), st.integers(0, LAST), st.booleans())  # first, end, by whole hours


@examples(200, chaos=10_000)
@given(st.lists(puts | windows, max_size=80))
def test_a_window_asked_for_again_is_what_its_panes_come_to(steps: list[tuple[Any, ...]]) -> None:
    panes = PaneSums(1)
    kept: dict[tuple[str, int, int], int] = {}
    for step in steps:
        if len(step) == 4:
            source, minute, whole, value = step
            unit, number = ("h", minute // 60) if whole else ("m", minute)
            packed = None if value is None else encode_partial([(("ulm",), [value])], 0)
            panes.put(unit, number, source, 0, packed)
            kept.pop((unit, number, source), None)
            if value is not None:
                kept[unit, number, source] = value
            continue
        first, end, by_hour = step
        cut = {number // 60 for number in (first, end) if number % 60}
        if by_hour or cut & {number for unit, number, _ in kept if unit == "h"}:
            first, end = first // 60 * 60, -(-end // 60) * 60
        found = [value for (unit, number, _), value in kept.items()
                 if first <= (number * 60 if unit == "h" else number) < end]  # fmt: skip
        total = panes.total(first, end)
        assert join(total.limbs) == ([[sum(found)]] if found else [])
        assert len(panes._spans) <= MOST_SPANS
