"""Notices that a raw topic is not the one that was read, by an end below what has been done of it."""

from __future__ import annotations


class RecreatedTopicError(Exception):
    """A raw topic is not the one that was read: by its end (`MadeAnew`), its id or its records
    (`streams.roles.identity`); `str()` says what to do."""


class MadeAnew:
    """Looks at a partition's end. `done` names what goes up to the offset that it must not end below, and
    `mend` says what is to be done if it does."""

    def __init__(self, topic: str, partition: int, done: str, mend: str) -> None:
        self._where = f"{topic}-{partition}"
        self._done = done
        self._mend = mend
        self._was_below = False

    def begins(self, stable_end: int, done_offset: int) -> None:
        """Nothing is read yet; raises `RecreatedTopicError` when the partition ends below `done_offset`."""
        if stable_end < done_offset:
            raise RecreatedTopicError(
                f"{self._where} ends at {stable_end}, but its {self._done} {done_offset}:"
                f" the topic was made anew. {self._mend}"
            )

    def saw_end(self, stable_end: int, done_offset: int) -> None:
        """The same for later looks, two in a row: one may be an answer that crossed the work."""
        below = stable_end < done_offset
        if below and self._was_below:
            self.begins(stable_end, done_offset)
        self._was_below = below
