"""Whether a reader is behind by more than a time, measured by when what it reads could have been read.

The records' own timestamps do not show this: history that is replayed as it is sent keeps its old ones.
"""

from __future__ import annotations

LOOKS_A_PERIOD = 8
MOST_LOOKS = 128


class CatchUp:
    """Checks a partition's end from time to time. `seconds`: the lag above which the reader is behind.

    `caught_up_at`: since when (monotonic clock, s) it has not been behind; None: it is behind, or there was
    no check yet. What was there at the first check may be old: until it is read, the reader is behind.
    """

    def __init__(self, seconds: float) -> None:
        self.caught_up_at: float | None = None
        self._seconds = seconds
        self._looks: list[tuple[int, float]] = []
        self._first_end: int | None = None

    def saw_end(self, end_offset: int, position: int, now: float) -> None:
        """Readers can read up to `end_offset` as of `now` (monotonic clock, s); `position` is read next."""
        self._looks = [look for look in self._looks if look[0] > position]
        if end_offset > (self._looks[-1][0] if self._looks else position):
            self._looks.append((end_offset, now))
            # One that lies between two close ones may go: what came up to it then counts as hardly younger.
            if len(self._looks) > 2 and now - self._looks[-3][1] <= self._seconds / LOOKS_A_PERIOD:
                del self._looks[-2]
            if len(self._looks) > MOST_LOOKS:
                del self._looks[1::2]  # the further behind, the coarser it may be
        if self._first_end is None:
            self._first_end = end_offset
        unread_for = now - self._looks[0][1] if self._looks else 0.0
        if position < self._first_end or unread_for > self._seconds:
            self.caught_up_at = None
        elif self.caught_up_at is None:
            self.caught_up_at = now
