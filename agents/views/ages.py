"""How old the records of an interval are when its checkpoint is committed: a histogram over every record."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Histogram(Protocol):
    """Where ages are counted: `upper_bounds` (s) of its buckets, ascending, the last one infinite."""

    @property
    def upper_bounds(self) -> Sequence[float]:
        """What a bucket holds is not above its bound."""

    def observe_all(self, counts: Sequence[int], total: float) -> None:
        """Add so many observations to each bucket, and what they come to (s) together."""


class Ages:
    """The Kafka timestamps of records that wait for their checkpoint, 8 bytes each.

    A record without a timestamp (message format 0) has no age; one dated ahead has the age 0.
    """

    def __init__(self) -> None:
        self._timestamps_ms = array("q")

    def add(self, timestamps_ms: list[int]) -> None:
        """The records of a slice; negative: none."""
        self._timestamps_ms.fromlist(timestamps_ms)

    def observe(self, now_ms: int, histogram: Histogram) -> None:
        """They are committed now."""
        stamps = np.frombuffer(self._timestamps_ms, np.int64)
        ages_s = np.maximum(now_ms - stamps[stamps >= 0], 0) / 1000
        bounds = histogram.upper_bounds
        counts = np.bincount(np.searchsorted(bounds, ages_s), minlength=len(bounds))
        histogram.observe_all(counts.tolist(), float(ages_s.sum()))
