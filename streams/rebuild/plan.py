"""From where a source partition's past can be read: Bronze's ranges, then Kafka."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from agents.bronze.files import Commit
from schemas.times import DAY_US, EPOCH, FUTURE_MS

_DAY = re.compile(r"/dt=(\d{4}-\d\d-\d\d)/")


class MissingRecordsError(Exception):
    """Records that a rebuild needs are neither in Bronze nor in Kafka. `str()` names them and what to do."""


@dataclass(frozen=True)
class Past:
    """What there is of a source partition.

    `first`: the offset at which its views began. `commits`: Bronze's ranges, ascending. `beginning`: Kafka's
    first offset. `lost`: offsets [from, to) that are known to have been deleted before they were read.
    """

    name: str
    first: int
    commits: Sequence[Commit]
    beginning: int
    lost: Sequence[tuple[int, int]] = ()

    def start(self, from_us: int | None) -> Start:
        """Where to begin: with the views' first record, or with Bronze's, if that is earlier.

        `from_us`: later, so that nothing is missing that occurred on that day (UTC) or after it.

        Raises `MissingRecordsError` where that is not given, and the first records are nowhere.
        """
        in_bronze = min((commit.first for commit in self.commits), default=None)
        earliest = self.beginning if in_bronze is None else min(self.beginning, in_bronze)
        first = self.first if in_bronze is None else min(self.first, in_bronze)
        if from_us is None:
            if earliest > first:
                raise self.missing(first, earliest)
            return Start(first, None)
        day_us = from_us // DAY_US * DAY_US
        at = self._first_of(day_us)
        if at == in_bronze:
            at = earliest
        if at <= first:
            return Start(first, None)
        return Start(at, day_us, cut=at == earliest)

    def covering(self, position: int) -> Commit | None:
        """The range that has the record at this offset."""
        return next((one for one in self.commits if one.first <= position < one.next), None)

    def loss(self, position: int) -> int | None:
        """The offset up to which the records from here on are known to be lost; None: they are not."""
        return next((end for first, end in self.lost if first <= position < end), None)

    def check(self, position: int, until: int) -> None:
        """Raises `MissingRecordsError` where not all of these offsets can be read."""
        at = position
        while at < until:
            commit, end = self.covering(at), self.loss(at)
            if commit is not None:
                at = commit.next
            elif self.beginning <= at:
                return
            elif end is not None:
                at = end
            else:
                after = [one.first for one in self.commits if one.first > at]
                raise self.missing(at, min([self.beginning, until, *after]))

    def missing(self, first: int, end: int) -> MissingRecordsError:
        """The error for offsets that are nowhere."""
        where = "former Bronzes (SLUICE_BRONZE_FORMER)" if first < 0 else "Bronze"
        return MissingRecordsError(
            f"{self.name}: the offsets {first} to {end - 1} are neither in {where} nor in Kafka any more."
            " Give --from a day after they came: the view then has what occurred since, and says so"
        )

    def _first_of(self, day_us: int) -> int:
        """The offset before which no range has an event of that day or later."""
        day = (EPOCH + timedelta(microseconds=day_us)).date().isoformat()
        for commit in self.commits:
            if any(found[1] >= day for entry in commit.objects if (found := _DAY.search(entry.path))):
                return commit.first
        return self.commits[-1].next if self.commits else self.beginning


@dataclass(frozen=True)
class Start:
    """Where a rebuild begins: the offset, and the time before which events may be missing, µs; None: none is.

    `cut`: there were records before, of which it is only known that they are older than the first one here.
    """

    offset: int
    since_us: int | None
    cut: bool = False

    def since(self, first_ms: int) -> int | None:
        """The same, where the first record that is read has this Kafka timestamp."""
        if self.since_us is None:
            return None
        return max(self.since_us, (first_ms + FUTURE_MS) * 1000) if self.cut else self.since_us
