"""When the events of a batch occurred, and what that does to the partition's watermark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.times import Micros


class Times:
    """The times (µs) of a batch's events that are folded for the first time, in the order of their offsets.

    `watermark`: the partition's after them: the newest of all.
    """

    def __init__(self, times: Micros, is_first: npt.NDArray[np.bool] | None, before: int | None) -> None:
        self._all = times
        self._is_first = is_first
        self._firsts = times if is_first is None else times[is_first]
        self._before = before
        newest = int(self._firsts.max())
        self.watermark = newest if before is None else max(before, newest)

    @classmethod
    def of(cls, times: Micros, skipped: Sequence[int], before: int | None) -> Times | None:
        """The times but for those at the places `skipped`; None if none is left.

        `before`: the watermark before the batch.
        """
        if len(skipped) == len(times):
            return None
        is_first = None
        if skipped:
            is_first = np.ones(len(times), bool)
            is_first[skipped] = False
        return cls(times, is_first, before)

    def watermark_at(self, place: int) -> int:
        """What the watermark was with the event at this place in."""
        until = slice(place + 1)
        firsts = self._all[until] if self._is_first is None else self._all[until][self._is_first[until]]
        newest = int(firsts.max())
        return newest if self._before is None else max(self._before, newest)

    def watermark_before(self, place: int) -> int | None:
        """What the watermark was before the event at this place; None if no event was."""
        earlier = self._all[:place] if self._is_first is None else self._all[:place][self._is_first[:place]]
        return max((*earlier.tolist(), *(() if self._before is None else (self._before,))), default=None)

    def late(self, kept_us: int) -> list[int]:
        """Places of the late events (docs/contract.md §3): older than all panes that the partition keeps.

        Each is judged by what the watermark has become until then, so that no batching changes the verdict.
        """
        if int(self._firsts.min()) >= self.watermark - kept_us:
            return []
        is_first = np.ones(len(self._all), bool) if self._is_first is None else self._is_first
        watermark, late = self._before, []
        for place in np.flatnonzero(is_first).tolist():
            time = int(self._all[place])
            if watermark is None or time > watermark:
                watermark = time
            elif time < watermark - kept_us:
                late.append(place)
        return late


def without(items: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """The items that are not at these places, which ascend and are few."""
    left = list(items)
    for place in reversed(places):
        del left[place]
    return left
