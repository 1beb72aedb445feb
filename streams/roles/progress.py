"""The progress of a source partition, compared with where the partition ends in Kafka."""

from __future__ import annotations

from collections import deque

from streams.clock import SYSTEM_CLOCK, Clock

MOST_ENDS = 1000
STALL_SECONDS = 3.0


class RecreatedTopicError(Exception):
    """A raw topic is not the one that was read: by its end (`Progress`), its id or its records
    (`streams.roles.identity`); `str()` states what to do.
    """


class Progress:
    """Checks a partition's end from time to time.

    `done` names what extends up to the offset that the topic must not end below, and `remedy` states what to
    do if it does: the topic was recreated. `end_offset`: where the partition ends. `moved_at`: time of the
    last progress (monotonic clock, s). `caught_up_ms`: a moment (wall clock, ms) whose records are all
    processed, so any other came after it. None: there has been no such moment yet.
    """

    def __init__(
        self, topic: str, partition: int, *, done: str, remedy: str, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.end_offset = 0
        self.moved_at = clock.monotonic()
        self.caught_up_ms: int | None = None
        self._ends: deque[tuple[int, int]] = deque(maxlen=MOST_ENDS)
        self._name = f"{topic}-{partition}"
        self._done = done
        self._remedy = remedy
        self._clock = clock
        self._was_below = False

    def moved(self) -> None:
        """Something was done, or nothing could have been."""
        self.moved_at = self._clock.monotonic()

    def stalled(self, position: int) -> bool:
        """Whether there are unread records from `position` on and no progress for seconds."""
        return self.end_offset > position and self._clock.monotonic() - self.moved_at > STALL_SECONDS

    def saw_end(self, stable_end: int, end: int, done_offset: int) -> None:
        """The partition ends at `end` as of now, and at `stable_end` for read_committed readers; everything
        below `done_offset` is processed."""
        self.end_offset = end
        if stable_end <= done_offset:
            self.moved()
        self._ends.append((end, self._clock.wall_ms()))
        while self._ends and self._ends[0][0] <= done_offset:
            self.caught_up_ms = self._ends.popleft()[1]

    def begins(self, stable_end: int, done_offset: int) -> None:
        """Nothing is read yet; raises `RecreatedTopicError` when the partition ends below `done_offset`."""
        if stable_end < done_offset:
            raise RecreatedTopicError(
                f"{self._name} ends at {stable_end}, but its {self._done} {done_offset}:"
                f" the topic was recreated. {self._remedy}"
            )

    def check_recreated(self, stable_end: int, done_offset: int) -> None:
        """The same for later checks, two in a row: a single one may be an outdated answer."""
        below = stable_end < done_offset
        if below and self._was_below:
            self.begins(stable_end, done_offset)
        self._was_below = below
