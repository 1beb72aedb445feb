"""Which events are late (docs/contract.md §3): those older than all panes that the partition keeps.

Judged against the partition's own watermark, record by record, so that no batching changes the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from tables.times import HOUR_US


def may_be_late(earliest: float, watermark: float, pane_hours: int) -> bool:
    """False if no event is late of which the earliest is of this time; times in s."""
    return earliest < watermark - pane_hours * 3600 + 1e-3  # floats: `late_places` counts in whole µs


def late_places(times: Sequence[float], watermark: float, pane_hours: int) -> list[int]:
    """Places of the late ones among `times` (s, in the order of their offsets).

    `watermark`: that before them, -inf at first; each time is judged by what it has become until then.
    """
    late = []
    for place, time in enumerate(times):
        if time > watermark:
            watermark = time
        elif round(time * 1e6) < round(watermark * 1e6) - pane_hours * HOUR_US:
            late.append(place)
    return late
