"""How far a partition's work is: since when, at worst, a record has been unread that nobody has seen yet."""

from __future__ import annotations

from faust.types import TP

from tests.support.roles import FixedClock, progress_of


def test_under_steady_load_the_bound_moves_along() -> None:
    clock = FixedClock(0)
    progress = progress_of(TP("t", 0), "checkpoint is at", clock)
    for second in range(100):  # always five behind at each look
        clock.ms = second * 1000
        progress.saw_end(10 * second + 5, 10 * second + 5, 10 * second)
        assert progress.caught_up_ms == (None if second == 0 else (second - 1) * 1000)
