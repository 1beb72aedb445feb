"""The breaker follows from the records alone, and outlives restarts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.codec import LAST
from tables.fold.breaker import Breaker
from tests.support.examples import examples

runs = st.lists(st.tuples(st.booleans(), st.integers(1, 700)), max_size=12)


def records_of(found: list[tuple[bool, int]]) -> list[bool]:
    return [bad for bad, times in found for _ in range(times)]


def plainly(records: list[bool], most: int) -> tuple[int, bool]:
    """How many of the last are bad, and whether it has tripped: record by record."""
    tripped, bad = False, 0
    for at, one in enumerate(records):
        bad += one - (at >= LAST and records[at - LAST])
        tripped = bad > most // 2 if tripped else bad > most
    return bad, tripped


@examples(150)
@given(runs, st.sampled_from([0, 1, 49, 500, 1000]), st.data())
def test_any_batches_and_restarts_give_what_a_loop_over_the_records_gives(
    found: list[tuple[bool, int]], most: int, data: st.DataObject
) -> None:
    records, breaker, done = records_of(found), Breaker(most), 0
    while done < len(records):
        batch = records[done : done + data.draw(st.integers(1, 900))]
        breaker.take(len(batch), [at for at, bad in enumerate(batch) if bad])
        done += len(batch)
        assert (breaker.bad, breaker.tripped) == plainly(records[:done], most)
        if data.draw(st.booleans()):
            kept, breaker = breaker.record(), Breaker(most)
            assert kept is not None
            assert len(kept.bad) <= LAST // 8
            breaker.restore(kept)


def test_it_trips_above_the_limit_and_clears_at_half_of_it() -> None:
    breaker = Breaker(100)
    breaker.take(100, range(100))
    assert (breaker.bad, breaker.tripped) == (100, False)
    breaker.take(1, [0])
    assert (breaker.bad, breaker.tripped) == (101, True)
    breaker.take(LAST - 51, [])
    assert (breaker.bad, breaker.tripped) == (51, True)
    breaker.take(1, [])
    assert (breaker.bad, breaker.tripped) == (50, False)


def test_one_that_is_off_looks_at_nothing_and_is_in_no_checkpoint() -> None:
    breaker = Breaker(None)
    breaker.take(5000, range(5000))
    assert (breaker.tripped, breaker.record()) == (False, None)


@pytest.mark.parametrize("alarmed", [True, False, None])
def test_one_that_tripped_does_not_know_after_a_restart_what_was_told(alarmed: bool | None) -> None:
    breaker = Breaker(0)
    breaker.take(1, [0])
    breaker.alarmed = alarmed
    again = Breaker(0)
    again.restore(breaker.record())
    assert (again.tripped, again.alarmed) == (True, None)


def test_one_that_was_turned_off_while_its_alarm_was_raised_has_it_to_clear_until_that_is_told() -> None:
    breaker = Breaker(0)
    breaker.take(1, [0])
    breaker.alarmed = True
    off = Breaker(None)
    off.restore(breaker.record())
    assert (off.tripped, off.alarmed) == (False, None)
    assert off.record() is not None
    off.alarmed = False
    assert off.record() is None
