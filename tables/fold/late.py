"""Which events are late (docs/contract.md §3): those older than all panes that the partition keeps.

Judged against the partition's own watermark, record by record, so that no batching changes the verdict.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tables.times import HOUR_US


def late_places(
    times: npt.NDArray[np.float64], watermark: float, newest: float, pane_hours: int
) -> list[int]:
    """Places of the late ones among `times` (s, in the order of their offsets).

    `watermark`: that before them, -inf at first, `newest`: that after them; each time is judged by what the
    watermark has become until then.
    """
    late: list[int] = []
    if times.min() >= newest - pane_hours * 3600 + 1e-3:  # a float, where what follows counts in whole µs
        return late
    for place, time in enumerate(times.tolist()):
        if time > watermark:
            watermark = time
        elif round(time * 1e6) < round(watermark * 1e6) - pane_hours * HOUR_US:
            late.append(place)
    return late
