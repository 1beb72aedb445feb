"""The times of a batch: what the watermark becomes, and which events are late."""

from __future__ import annotations

import numpy as np
import pytest

from tables.fold.times import Times


def times(*at_us: int, skipped: tuple[int, ...] = (), before: int | None = None) -> Times:
    made = Times.of(np.array(at_us, np.int64), skipped, before)
    assert made is not None
    return made


def test_the_watermark_is_the_newest_of_what_is_folded() -> None:
    assert times(5, 9, 7).watermark == 9
    assert times(5, 9, 7, skipped=(1,)).watermark == 7
    assert times(5, 9, 7, before=12).watermark == 12


def test_nothing_is_left_of_a_batch_that_is_skipped() -> None:
    assert Times.of(np.array([5, 6], np.int64), (0, 1), 3) is None


@pytest.mark.parametrize(("place", "watermark"), [(0, 5), (1, 5), (2, 7), (3, 7)])
def test_the_watermark_at_a_place_has_all_until_there(place: int, watermark: int) -> None:
    assert times(5, 9, 7, 2, skipped=(1,)).watermark_at(place) == watermark


def test_an_earlier_watermark_holds_at_every_place() -> None:
    assert times(5, 20, before=10).watermark_at(0) == 10
    assert times(5, 20, before=10).watermark_at(1) == 20


def test_late_is_judged_by_the_watermark_as_it_was() -> None:
    assert times(0, 100, 89, 90).late(10) == [2]  # the first one came before what made it old
    assert times(89, 100, before=99).late(10) == []
    assert times(88, 100, before=99).late(10) == [0]
    assert times(88, 1000, 95, skipped=(1,), before=99).late(10) == [0]
