"""Since when, at worst, a record has been unread that nobody has seen yet."""

from __future__ import annotations

from collections import deque


class CaughtUp:
    """Looks at a partition's end from time to time.

    `at_ms`: a moment (wall clock, ms) whose records are all done, so that any other came after it. None:
    there has been no such moment yet.
    """

    def __init__(self) -> None:
        self.at_ms: int | None = None
        self._ends: deque[tuple[int, int]] = deque(maxlen=1000)

    def saw_end(self, end_offset: int, done_offset: int, now_ms: int) -> None:
        """The partition ends at `end_offset` as of now; what lies below `done_offset` is done."""
        self._ends.append((end_offset, now_ms))
        while self._ends and self._ends[0][0] <= done_offset:
            self.at_ms = self._ends.popleft()[1]
