"""The fold of all records, bad ones too, into the views that count them (tables/spec/records.py).

An event lies in the pane in which it occurred. When a bad record occurred nobody knows: it lies in that
of its Kafka timestamp, also where that is ahead of the watermark. Without a timestamp it lies at the
watermark of its partition by then, and before the first event at the epoch, which expires with that event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.validation.decoded import Decoded
from tables.fold.panes import PaneStore
from tables.fold.times import Times
from tables.spec.records import FIELDS, UNKNOWN, Outcome, Records
from tables.spec.windowed import Windowed
from tables.times import MINUTE_US

MINUTE_MS = MINUTE_US // 1000

Facts = tuple[str, str, str | None, str | None]
"""Source, event, reason and city of a record: `FIELDS`."""


class RecordsFold:
    """What is counted of a partition's records. `names`: those of events, by class."""

    def __init__(self, panes: Mapping[Windowed, PaneStore], names: Mapping[type[Any], str]) -> None:
        self._names = names
        self._outputs = [
            (store, None if view.key == FIELDS else [FIELDS.index(name) for name in view.key], _places(view))
            for view, store in panes.items()
            if counts_records(view)
        ]
        self._accepted: Counter[tuple[int, Any, str, str | None]] = Counter()
        self._bad: Counter[tuple[int, Facts]] = Counter()

    @property
    def wanted(self) -> bool:
        """Whether any view counts records; if not, nothing is to be taken."""
        return bool(self._outputs)

    def accept(self, minutes: Sequence[int], kinds: Sequence[Any], batch: Decoded) -> None:
        """The events of a batch: the minute each occurred in, its class, or None for one that does not
        count."""
        self._accepted.update(zip(minutes, kinds, batch.sources, batch.cities, strict=True))

    def refuse(
        self, batch: Decoded, timestamps_ms: Sequence[int], times: Times | None, watermark: int | None
    ) -> None:
        """The bad records of a batch. `times`: those of its events, if it has any that count; `watermark`:
        the partition's before the batch."""
        for place, why in batch.bad:
            minute = timestamps_ms[place] // MINUTE_MS
            if minute < 0:
                before = watermark if times is None else times.watermark_before(place)
                minute = 0 if before is None else before // MINUTE_US
            facts = (why.source or UNKNOWN, why.event or UNKNOWN, why.reason.value, why.city)
            self._bad[minute, facts] += 1

    def project(self) -> None:
        """Add what was counted since the last call to the panes of the views."""
        for store, fields, places in self._outputs:
            for outcome, counted in places.items():
                found = self._events() if outcome is Outcome.ACCEPTED else self._bad.items()
                for (minute, facts), count in found:
                    group = facts if fields is None else tuple([facts[at] for at in fields])
                    row = store.hot(minute).row(group, count)
                    for place in counted:
                        row[place] += count
        self._accepted.clear()
        self._bad.clear()

    def _events(self) -> Iterable[tuple[tuple[int, Facts], int]]:
        for (minute, kind, source, city), count in self._accepted.items():
            if kind is not None:
                yield (minute, (source, self._names[kind], None, city)), count


def counts_records(view: object) -> bool:
    """Whether a view has a measure over all records."""
    return isinstance(view, Windowed) and any(isinstance(total, Records) for total in view.sums)


def _places(view: Windowed) -> dict[Outcome, list[int]]:
    """Which sums of a row are of which outcome, of those that are counted."""
    of = [total.outcome if isinstance(total, Records) else None for total in view.sums]
    return {
        outcome: [at for at, one in enumerate(of) if one is outcome] for outcome in Outcome if outcome in of
    }
