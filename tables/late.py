"""Which events are late (docs/contract.md §3): those of an hour that the partition no longer keeps.

Judged against the partition's own watermark, record by record, so that no batching changes the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

_HOUR_S = 3600


def late_before(watermark: float, pane_hours: int) -> float:
    """The time (s) before which events are late, when the watermark is this one (s)."""
    return (watermark // _HOUR_S - pane_hours) * _HOUR_S


def late_places(times: Sequence[float], watermark: float, pane_hours: int) -> list[int]:
    """Places of the late ones among `times` (s, in the order of their offsets).

    `watermark`: that before them, -inf at first; each time is judged by what it has become until then.
    """
    late = []
    for place, time in enumerate(times):
        if time > watermark:
            watermark = time
        elif time < late_before(watermark, pane_hours):
            late.append(place)
    return late
