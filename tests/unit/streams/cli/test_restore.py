"""How far a restoration is, and how long the rest takes."""

from __future__ import annotations

import pytest

from streams.cli.restore import shown
from streams.restore.past import PastPartition


def past(partition: int, offsets: int) -> PastPartition:
    return PastPartition("events.raw", partition, -offsets, 1, 0, None, None)


def test_all_partitions_count_and_the_rate_is_that_of_this_process() -> None:
    parts = [past(0, 1_000), past(1, 3_000)]
    said: list[str] = []
    now = [100.0]
    told = shown(parts, said.append, lambda: now[0])
    told(parts[0], -600)  # where a former process has ended
    now[0] += 1
    told(parts[0], -500)
    now[0] += 9
    told(parts[1], -2_600)
    assert said == [
        "events.raw-0: 400 of 4,000 offsets (10%)",
        "events.raw-0: 500 of 4,000 offsets (12%)",
        "events.raw-1: 1,400 of 4,000 offsets (35%), 26 s left",
    ]


@pytest.mark.parametrize(("seconds", "left"), [(3, "2 min 57 s left"), (100, "1 h 38 min left")])
def test_the_rest_is_told_in_words(seconds: int, left: str) -> None:
    part = past(0, 60)
    said: list[str] = []
    now = [0.0]
    told = shown([part], said.append, lambda: now[0])
    told(part, -60)
    now[0] += seconds
    told(part, -59)
    assert said[-1].endswith(left)
