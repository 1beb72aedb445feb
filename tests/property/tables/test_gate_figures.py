"""Running sums over a moving window against adding everything up anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tables.codec import encode_partial
from tables.gates.running_sums import RunningSums
from tables.read.pane_sums import PaneSums, join
from tests.support.examples import examples

CITIES = ("a", "b", "c", None)
sums = st.lists(st.integers(0, 3) | st.integers(0, 2**70), min_size=4, max_size=4)
rows = st.dictionaries(st.sampled_from(CITIES), sums, max_size=4)
changes = st.lists(
    st.tuples(
        st.sampled_from("mmmh"), st.integers(0, 400), st.integers(0, 1), st.none() | rows,
        st.integers(0, 200), st.integers(0, 300),
    ),
    max_size=40,
)  # fmt: skip


@examples(200)
@given(changes)
def test_running_sums_are_the_sums(
    given_: list[tuple[str, int, int, dict[str | None, list[int]] | None, int, int]],
) -> None:
    panes = PaneSums(4)
    running = RunningSums(panes)
    for kind, number, source, value, start, length in given_:
        at = number // 60 if kind == "h" else number
        packed = (
            None if value is None else encode_partial([((city, "EUR"), row) for city, row in value.items()])
        )
        panes.put(kind, at, source, 0, packed)
        first = start // 60 * 60  # whole hours, as hour panes can't be cut
        end = first + -(-length // 60) * 60
        total = panes.total(first, end)
        expected = dict(zip(total.keys.tolist(), join(total.limbs), strict=True))
        for group, found in enumerate(join(running.over(first, end))):
            assert found == expected.get(group, [0, 0, 0, 0])
