"""When a partition counts as stuck: by time in which it could have been read, and no other."""

from __future__ import annotations

import pytest
from faust.types import TP
from prometheus_client import REGISTRY

from streams.roles.lag import PAUSED_SECONDS, STUCK_SECONDS, LagGauges, MoveWatch, StuckError

ONE, TWO = TP("t", 0), TP("t", 1)


class Looks:
    """A watch that looks at two partitions; `ONE` moves when told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watch = MoveWatch(lambda: self.now)
        self.moves = 0.0

    def after(
        self, seconds: float, *, waits: bool = False, reading: bool = True, moves: bool = False
    ) -> None:
        self.now += seconds
        self.moves += moves
        self.watch.begins_look(reading=reading)
        self.watch.look(ONE, self.moves, waits=waits)

    def stuck_after(self) -> int:
        """Seconds of looks in time until it is stuck."""
        for second in range(1000):
            try:
                self.after(1.0)
            except StuckError:
                return second
        return -1


def test_a_partition_that_stands_still_is_stuck() -> None:
    looks = Looks()
    assert looks.stuck_after() == pytest.approx(STUCK_SECONDS, abs=2)
    with pytest.raises(StuckError, match="t-0: unread records, and no move"):
        looks.after(1.0)


def test_every_move_begins_anew() -> None:
    looks = Looks()
    for _ in range(10):
        for _ in range(int(STUCK_SECONDS) - 5):
            looks.after(1.0)
        looks.after(1.0, moves=True)


def test_looks_that_come_late_count_as_one() -> None:
    """The machine, or this process alone, stood still: nobody in it could move."""
    looks = Looks()
    for _ in range(20):
        looks.after(60.0)
    assert looks.stuck_after() > 0


def test_looks_that_come_early_count_as_long_as_they_took() -> None:
    looks = Looks()
    for _ in range(500):
        looks.after(0.1)


@pytest.mark.parametrize("how", [{"waits": True}, {"reading": False}])
def test_waiting_is_not_standing_still(how: dict[str, bool]) -> None:
    looks = Looks()
    for _ in range(200):
        looks.after(1.0, **how)
    assert looks.stuck_after() == pytest.approx(STUCK_SECONDS, abs=2)


def test_reading_that_never_begins_again_is_stuck() -> None:
    looks = Looks()
    for _ in range(int(PAUSED_SECONDS) - 1):
        looks.after(1.0, reading=False)
    looks.after(1.0, reading=False)
    with pytest.raises(StuckError, match="nothing has been read"):
        looks.after(1.0, reading=False)


def test_a_partition_that_comes_back_begins_anew() -> None:
    looks = Looks()
    for _ in range(int(STUCK_SECONDS) - 2):
        looks.after(1.0)
    looks.watch.keep({TWO})
    assert looks.stuck_after() == pytest.approx(STUCK_SECONDS, abs=2)


def test_gauges_are_of_the_partitions_that_are_owned() -> None:
    gauges, names = (
        LagGauges("group-of-gauges"),
        ("position_offset", "consumer_lag_records", "consumer_lag_seconds"),
    )

    def values() -> list[float | None]:
        labels = {"group": "group-of-gauges", "topic": "t", "partition": "0"}
        return [REGISTRY.get_sample_value(f"sluice_{name}", labels) for name in names]

    gauges.measure(ONE, 41, 7, oldest_ms=1_000, now_ms=4_000)
    assert values() == [41, 7, 3]
    assert gauges.keep({TWO}) == {ONE}
    assert values() == [None, None, None]
