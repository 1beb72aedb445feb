"""When a reader counts as behind: by when what it reads could have been read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.roles.sinks.catch_up import LOOKS_A_PERIOD, MOST_LOOKS, CatchUp


def test_what_was_there_at_first_is_read_before_time_counts() -> None:
    behind = CatchUp(60)
    behind.saw_end(1000, 0, 0.0)
    assert behind.caught_up_at is None
    for second in range(1, 5):  # more comes all the while
        behind.saw_end(1000 + second * 10, 100 * second, second)
        assert behind.caught_up_at is None
    behind.saw_end(1100, 1001, 5.0)
    assert behind.caught_up_at == 5.0


def test_an_empty_partition_is_not_behind() -> None:
    behind = CatchUp(60)
    behind.saw_end(7, 7, 3.0)
    behind.saw_end(9, 7, 4.0)
    assert behind.caught_up_at == 3.0


@pytest.mark.parametrize("seconds", [1, 2, 60])
def test_who_reads_on_as_records_come_is_not_behind(seconds: float) -> None:
    behind = CatchUp(seconds)
    for beat in range(
        200
    ):  # each look finds some that came in this moment, and a beat is never quite a second
        behind.saw_end(beat * 100 + 50, beat * 100, beat * 1.003)
        assert beat == 0 or behind.caught_up_at is not None


def test_who_falls_behind_and_catches_up() -> None:
    behind = CatchUp(60)
    behind.saw_end(0, 0, 0.0)
    for second in range(1, 61):
        behind.saw_end(second, 0, second)
        assert behind.caught_up_at == 0.0
    behind.saw_end(62, 0, 62.0)
    assert behind.caught_up_at is None
    behind.saw_end(62, 1, 70.0)
    assert behind.caught_up_at is None, "what came in the ninth second is not read yet"
    behind.saw_end(90, 62, 71.0)
    assert behind.caught_up_at == 71.0


@given(
    seconds=st.sampled_from([1.0, 7.0, 60.0]),
    steps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0.1, 90)), max_size=60),
)
def test_it_is_as_if_all_looks_were_kept(seconds: float, steps: list[tuple[int, int, float]]) -> None:
    behind, end, position, now = CatchUp(seconds), 0, 0, 0.0
    looks: list[tuple[int, float]] = []
    for come, read, pause in steps:
        end, now = end + come, now + pause
        position = min(end, position + read)
        looks.append((end, now))
        behind.saw_end(end, position, now)
        unread = [at for there, at in looks if there > position]
        exact = now - min(unread, default=now)
        if behind.caught_up_at is None:
            assert exact > seconds or position < looks[0][0]
        else:
            assert exact <= seconds + seconds / LOOKS_A_PERIOD


def test_it_forgets_what_it_need_not_know() -> None:
    behind = CatchUp(1)
    for second in range(100_000):
        behind.saw_end(second + 1, 0, second)
    assert len(behind._looks) <= MOST_LOOKS
    assert behind.caught_up_at is None
    behind.saw_end(100_001, 90_000, 100_001.0)
    assert behind.caught_up_at is None
    behind.saw_end(100_001, 100_001, 100_002.0)
    assert behind.caught_up_at == 100_002.0
