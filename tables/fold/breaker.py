"""The breaker of a source partition: how many of its newest records are bad, and whether that is too many.

A thousand records: enough to tell one per cent from two, few enough for a producer that breaks to be noticed
within a thousand of its records, and 125 bytes of each checkpoint. Records that there are not yet count as
good, so that a new topic's first bad one is no alarm.
"""

from __future__ import annotations

from collections.abc import Sequence

from tables.codec import LAST, LastRecords

_MASK = (1 << LAST) - 1


class Breaker:
    """It trips when more than `most_bad` of the `LAST` records are bad, and clears when no more than half as
    many are: one that stood at the limit would raise an alarm a minute. None: it is off.

    Whether it has tripped follows from the records alone, however they are cut into batches. `alarmed`:
    whether that it tripped was the last that was told of it; None: not known. The caller's to set.
    """

    def __init__(self, most_bad: int | None) -> None:
        self._most_bad = most_bad
        self._bits = 0
        self.tripped = False
        self.alarmed: bool | None = False

    @property
    def is_on(self) -> bool:
        """Whether it looks at records."""
        return self._most_bad is not None

    @property
    def bad(self) -> int:
        """How many of the last records are bad."""
        return self._bits.bit_count()

    def take(self, records: int, bad: Sequence[int]) -> None:
        """The next records; `bad`: the places of the bad ones, ascending."""
        if self._most_bad is None:
            return
        done = 0
        for place in bad:
            self._good(place - done, self._most_bad)
            self._bits = (self._bits << 1 | 1) & _MASK
            self.tripped = self.tripped or self.bad > self._most_bad
            done = place + 1
        self._good(records - done, self._most_bad)

    def _good(self, records: int, most_bad: int) -> None:
        if self._bits and records:
            self._bits = (self._bits << records) & _MASK
            self.tripped = self.tripped and self.bad > most_bad // 2

    def record(self) -> LastRecords | None:
        """What a checkpoint has of it; None: nothing."""
        if not self.is_on and self.alarmed is False:
            return None
        return LastRecords(self._bits.to_bytes(-(-self._bits.bit_length() // 8)), self.tripped, self.alarmed)

    def restore(self, record: LastRecords | None) -> None:
        """Go on from a checkpoint. Whether an alarm that it should have raised was raised is not known; where
        the breaker has been turned off since, one is to be cleared."""
        if record is None:
            return
        self.alarmed = None if record.tripped else record.alarmed
        if self.is_on:
            self._bits = int.from_bytes(record.bad) & _MASK
            self.tripped = record.tripped
