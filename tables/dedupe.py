"""Which events of a source partition have been there before (docs/contract.md §3).

The rule: a record whose event_id was first seen at Kafka time t0 is a duplicate up to t0 + the window;
after that it is a new first occurrence. An id is held until the partition's clock has passed t0 + window +
5 min and the time at which it came + window, with or without restarts. So records may be out of order by
5 min, and one that came long after its timestamp is known when it comes again. What may be missed is a
repetition more than 5 min out of order, of an id that came more than a window ago; and a t0 more than a day
ahead of the clock is not waited for. The clock is the newest of the batches' older ends, never ahead of the
worker's own: one absurd timestamp cannot make it forget.

Ids of the last minute lie in a dict, older ones packed: 14 bytes each, 18 where t0 is far from the clock. Ids
are known by `hash_id`; with n ids held an event is taken for another one with a chance of n in 2^64: of 20
million, once in 10^12 events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from tables.id_chunks import Chunks, Ids, joined, unpack
from tables.sorted_ids import Hashes, SortedIds

SLACK_MS = 300_000
"""How long an id is held beyond its window. As far ahead of the clock raw topics let a timestamp be."""

_AHEAD_MS = 86_400_000
"""An id further ahead of the clock than this is held as if it were behind: not for as long as it claims."""
_LAST_MS = 1 << 60
"""Timestamps beyond this, on either side of 1970, are taken for this one: sums of them fit into 64 bits."""
_RECENT_MS = 60_000
_RECENT_IDS = 1 << 17
_WARM_IDS = 1 << 19
_NEVER = -(1 << 62)


def hash_id(event_id: str) -> int:
    """The 64-bit hash by which an id is known: the same in every process, part of the feed's format."""
    return xxh3_64_intdigest(event_id.encode())


def hash_events(events: Sequence[Any]) -> list[int]:
    """`hash_id` of each event's event_id, in half the time."""
    return [xxh3_64_intdigest(event.event_id.encode()) for event in events]


class IdWindow:
    """The ids of one source partition. `window_ms`: how long an id counts once."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._clock_ms = _NEVER
        self._recent: dict[int, int] = {}
        self._recent_since_ms = _NEVER
        # Two sizes, so that taking in a minute's ids does not move an hour's.
        self._warm = SortedIds()
        self._cold = SortedIds()
        self._apart = _Apart(window_ms + SLACK_MS)
        self._chunks = Chunks()
        self._pending: list[Ids] = []
        self._pending_offset = 0
        self._restored: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._recent) + len(self._warm) + len(self._cold) + len(self._apart)

    @property
    def clock_ms(self) -> int | None:
        """The partition's clock, to be kept with the chunks: what comes again moves it and is in none."""
        return None if self._clock_ms == _NEVER else self._clock_ms

    @property
    def chunks(self) -> int:
        """Live chunks in the feed."""
        return len(self._chunks)

    def judge(self, hashes: list[int], stamps_ms: Sequence[int], first_offset: int, now_ms: int) -> list[int]:
        """Indices of the duplicates among these records, in the order of their offsets; the others are noted.

        `stamps_ms`: their Kafka timestamps; `first_offset`: the first one's offset, or less, but above all
        earlier.
        """
        stamps = np.array(stamps_ms, np.int64)
        if stamps.max() > _LAST_MS or stamps.min() < -_LAST_MS:
            stamps = stamps.clip(-_LAST_MS, _LAST_MS)
            stamps_ms = stamps.tolist()
        self._clock_ms = max(self._clock_ms, min(stamps_ms[0], stamps_ms[-1], now_ms))
        if len(self._recent) >= _RECENT_IDS or self._clock_ms - self._recent_since_ms >= _RECENT_MS:
            self._settle()
        if not self._pending:
            self._pending_offset = first_offset
        array = np.array(hashes, np.uint64)
        needles = np.sort(array)
        firsts = self._firsts_of(needles)
        firsts.update([(hashed, self._recent[hashed]) for hashed in hashes if hashed in self._recent])
        doubled: list[int] = needles[1:][needles[1:] == needles[:-1]].tolist()
        repeated: list[int] = []
        if firsts or doubled:
            repeated = self._judge_each(hashes, stamps_ms, firsts, firsts.keys() | doubled)
            fresh = np.ones(len(hashes), bool)
            fresh[repeated] = False
            array, stamps = array[fresh], stamps[fresh]
        else:
            self._recent.update(zip(hashes, stamps_ms, strict=True))
        self._pending.append(Ids(array, stamps))
        return repeated

    def changes(self) -> dict[int, bytes | None]:
        """First offset → chunk (None: delete it) of what changed since the last call."""
        parts, self._pending = self._pending, []
        ids = joined(parts)
        if len(ids.ms):
            latest = min(int(ids.ms.max()), self._clock_ms + _AHEAD_MS)
            until = max(latest, self._clock_ms) + self._window_ms + SLACK_MS
            self._chunks.add(self._pending_offset, ids, self._clock_ms, until)
        self._chunks.expire(self._clock_ms)
        return self._chunks.changes()

    def restore(self, first_offset: int, chunk: bytes | None) -> None:
        """Take a chunk from the feed, in any order; None deletes it, the last word on an offset counts."""
        if chunk is None:
            self._restored.pop(first_offset, None)
        else:
            self._restored[first_offset] = chunk

    def restored(self, clock_ms: int | None = None) -> None:
        """Call it when every chunk has been restored, before the first `judge`; `clock_ms`: what was kept."""
        near, apart = [], []
        self._clock_ms = _NEVER if clock_ms is None else clock_ms
        for first_offset in sorted(self._restored):
            value = self._restored.pop(first_offset)
            ids, made_at_ms, until_ms = unpack(value)
            self._chunks.restore(first_offset, value, until_ms)
            self._clock_ms = max(self._clock_ms, made_at_ms)
            far = _far(ids, made_at_ms)
            near.append(ids.where(~far))
            apart.append(ids.where(far))
        self._chunks.changes()
        self._cold.merge(*_newest_of_each(joined(near)), self._horizon_ms)
        self._apart.add(_newest_of_each(joined(apart)), self._clock_ms)

    @property
    def _horizon_ms(self) -> int:
        """Ids that came in time are held from here on."""
        return self._clock_ms - self._window_ms - SLACK_MS

    def _firsts_of(self, needles: Hashes) -> dict[int, int]:
        """Of the packed ids among these: when each was first seen. What came anew has a later time."""
        firsts: dict[int, int] = {}
        for packed in (*self._apart.generations, self._cold, self._warm):
            for hashed, ms in packed.find(needles):
                firsts[hashed] = max(ms, firsts.get(hashed, ms))
        return firsts

    def _judge_each(
        self, hashes: list[int], stamps_ms: Sequence[int], firsts: dict[int, int], suspects: set[int]
    ) -> list[int]:
        """Note all of a batch, and judge the `suspects`; `firsts`: when those held were first seen."""
        recent, window_ms = self._recent, self._window_ms
        held = {hashed: recent.get(hashed) for hashed in suspects}
        recent.update(zip(hashes, stamps_ms, strict=True))
        repeated = []
        for place in [place for place, hashed in enumerate(hashes) if hashed in suspects]:
            hashed, stamp = hashes[place], stamps_ms[place]
            first = firsts.get(hashed)
            if first is not None and stamp <= first + window_ms:
                repeated.append(place)
            else:
                firsts[hashed] = held[hashed] = stamp
        for hashed, ms in held.items():
            if ms is None:
                del recent[hashed]  # packed, and not seen anew
            else:
                recent[hashed] = ms
        return repeated

    def _settle(self) -> None:
        """Pack the recent ids. The horizon drops those whose window and slack are over."""
        count = len(self._recent)
        ids = np.fromiter(self._recent.keys(), np.uint64, count)
        ms = np.fromiter(self._recent.values(), np.int64, count)
        self._recent = {}
        self._recent_since_ms = self._clock_ms
        order = ids.argsort()
        settled = Ids(ids[order], ms[order])
        far = _far(settled, self._clock_ms)
        self._apart.add(settled.where(far), self._clock_ms)
        self._warm.merge(*settled.where(~far), self._horizon_ms)
        if len(self._warm) > max(_WARM_IDS, len(self._cold) // 8):
            self._cold.merge(*self._warm.all(), self._horizon_ms)
            self._warm = SortedIds()
        elif self._horizon_ms - self._cold.horizon_ms > self._window_ms:
            self._cold.merge(*joined([]), self._horizon_ms)  # few come now: forget the many that came before


def _far(ids: Ids, clock_ms: int) -> npt.NDArray[np.bool]:
    """Which ids are so far from the clock that they cannot be held by their timestamps."""
    return (ids.ms < clock_ms - SLACK_MS) | (ids.ms > clock_ms + _AHEAD_MS)


class _Apart:
    """Ids that came long after their timestamps, by which they would be forgotten at once, or long before.
    They are held for `hold_ms` of the clock or more, in two generations."""

    def __init__(self, hold_ms: int) -> None:
        self._hold_ms = hold_ms
        self._since_ms = _NEVER
        self.generations = [SortedIds(long=True), SortedIds(long=True)]

    def __len__(self) -> int:
        return sum(map(len, self.generations))

    def add(self, ids: Ids, clock_ms: int) -> None:
        """Take these in (ascending, none twice), and forget the elder generation when it is time."""
        if clock_ms - self._since_ms > self._hold_ms:
            self._since_ms = clock_ms
            self.generations = [self.generations[-1], SortedIds(long=True)]
        if len(ids.hashes):
            self.generations[-1].merge(*ids, _NEVER)


def _newest_of_each(ids: Ids) -> Ids:
    """Ascending hashes, none twice; of several times of one the last."""
    if not len(ids.hashes):
        return ids
    order = ids.hashes.argsort()  # not stable, which would take five times as long
    hashes = ids.hashes[order]
    starts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))
    last = np.maximum.reduceat(order, starts)
    return Ids(ids.hashes[last], ids.ms[last])
