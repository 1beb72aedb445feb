"""Which events of a source partition are duplicates (docs/contract.md §3).

A record whose event_id was first seen at Kafka time t0 is a duplicate up to t0 + the window; after that it is
a new first occurrence. To bound memory, an id is forgotten when both of these are over:

- Its time: the partition's clock has passed t0 + window + 5 min, so records may be out of order by 5 min. The
  clock is the newest of the batches' older ends (or what each of many batches in a row has reached), never
  ahead of the worker's own: one absurd timestamp cannot make it forget. A t0 more than a day ahead of both
  clocks, or of 0 or less, is not waited for.
- Its stay: window + 5 min have passed since it came, by the clock of tables/fold/dedupe/arrivals.py, or
  `HELD_IDS` others have come since. So timestamps may lie anywhere (a mirror, a backfill, a replay).

What may be missed is a repetition more than 5 min out of order of an id that came more than a window, or more
than `HELD_IDS` ids, ago. Restarts and new owners change nothing: chunks say when their ids came.

Ids of the last minute are in a dict, older ones packed in 18 bytes each. They are known by 64-bit hashes:
with n held, an event is taken for another one with a chance of n in 2^64; of 20 million, once in 10^12
events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_digest

from schemas.times import FUTURE_MS
from tables.fold.dedupe.arrivals import Arrivals
from tables.fold.dedupe.chunks import Chunks, Ids, Made, joined, unpack
from tables.fold.dedupe.sorted_ids import LAST_MS, Hashes, Held, SortedIds

SLACK_MS = FUTURE_MS
"""How long an id is held beyond its window."""
HELD_IDS = 1 << 21
"""How many ids of a partition are held for a window from when they came, whatever their timestamps."""

_AHEAD_MS = 86_400_000
"""An id further ahead of both clocks than this is not held for as long as it claims."""
_RECENT_MS = 60_000
_RECENT_IDS = 1 << 16
_WARM_IDS = 1 << 19
_MERGED_AT_ONCE = 1 << 17
"""Packed ids are merged so many at a time, with every batch: some milliseconds."""
_STUCK_BATCHES = 1 << 12
"""The clock moves to what each of so many batches in a row has reached: producers that begin every batch with
an old record cannot stop it."""
_NEVER = -(1 << 62)


def hash_ids(ids: Iterable[bytes]) -> Hashes:
    """The 64-bit hash of each event id (UTF-8): the same in every process, part of the feed's format."""
    return np.frombuffer(b"".join(map(xxh3_64_digest, ids)), ">u8").astype(np.uint64)


class IdWindow:
    """The ids of one source partition. `window_ms`: how long an id counts once."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._clock_ms = _NEVER
        self._worker_ms = LAST_MS  # not known yet: nothing is ahead of it
        self._arrivals = Arrivals(window_ms + SLACK_MS, HELD_IDS)
        self._reached_ms, self._reached_in = LAST_MS, 0
        self._recent: dict[int, int] = {}
        self._recent_parts: list[Ids] = []  # the same, as they came
        self._recent_since_ms = 0
        # Two sizes, so that taking in a minute's ids does not move an hour's; and those that are taken in.
        self._settled = SortedIds()
        self._warm = SortedIds()
        self._cold = SortedIds()
        self._cold_since_ms = 0
        self._merging: Iterator[int] | None = None
        self._chunks = Chunks()
        self._pending: list[Ids] = []
        self._pending_offset = 0
        self._restored: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._recent) + len(self._settled) + len(self._warm) + len(self._cold)

    @property
    def clock_ms(self) -> int | None:
        """The partition's clock, to be kept with the chunks: what comes again moves it and is in none."""
        return None if self._clock_ms == _NEVER else self._clock_ms

    @property
    def elapsed_ms(self) -> int | None:
        """How long the partition has been folded, to be kept likewise."""
        return None if self._clock_ms == _NEVER else self._arrivals.elapsed_ms

    @property
    def chunks(self) -> int:
        """Live chunks in the feed."""
        return len(self._chunks)

    def find_duplicates(
        self, hashes: Hashes, stamps_ms: Sequence[int], first_offset: int, now_ms: int
    ) -> list[int]:
        """Indices of the duplicates among these records, in the order of their offsets; the others are noted.

        `stamps_ms`: their Kafka timestamps; `first_offset`: the first one's offset, or less, but above all
        earlier; `now_ms`: the worker's wall clock.
        """
        stamps = np.array(stamps_ms, np.int64)
        newest_ms = int(stamps.max())
        if newest_ms > LAST_MS or stamps.min() < -LAST_MS:
            stamps = stamps.clip(-LAST_MS, LAST_MS)
            stamps_ms = stamps.tolist()
        is_first = self._worker_ms == LAST_MS
        self._move_clocks(min(stamps_ms[0], stamps_ms[-1]), newest_ms, now_ms)
        if is_first:
            self._cold.absorb(SortedIds(), self._held)  # what was restored and is ahead of the worker's clock
        self._go_on_merging()
        stay_ms = self._arrivals.elapsed_ms - self._recent_since_ms
        is_due = len(self._recent) >= _RECENT_IDS or stay_ms >= _RECENT_MS
        if is_due and (self._merging is None or len(self._recent) >= 2 * _RECENT_IDS):
            self._settle()
        if not self._pending:
            self._pending_offset = first_offset
        ids: list[int] = hashes.tolist()
        fresh = dict(zip(ids, stamps_ms, strict=True))
        firsts = self._firsts_of(hashes)
        repeated: list[int] = []
        if firsts or len(fresh) < len(ids) or not self._recent.keys().isdisjoint(fresh):
            repeated = self._find_each(ids, stamps_ms, firsts, fresh)
            is_fresh = np.ones(len(ids), bool)
            is_fresh[repeated] = False
            hashes, stamps = hashes[is_fresh], stamps[is_fresh]
        else:
            self._recent.update(fresh)
        if len(hashes):
            first_seen = Ids(hashes, stamps)
            self._pending.append(first_seen)
            self._recent_parts.append(first_seen)
        self._arrivals.count(len(hashes))
        return repeated

    def changes(self) -> dict[int, bytes | None]:
        """First offset → chunk (None: delete it) of what changed since the last call."""
        parts, self._pending = self._pending, []
        ids = joined(parts)
        if len(ids.ms):
            made = Made(self._clock_ms, self._until_ms(ids), self._arrivals.elapsed_ms)
            self._chunks.add(self._pending_offset, ids, made, self._arrivals.current)
        self._chunks.expire(self._clock_ms, self._arrivals.first_held)
        return self._chunks.changes()

    def restore(self, first_offset: int, chunk: bytes | None) -> None:
        """Take a chunk from the feed, in any order; None deletes it, the last word on an offset counts."""
        if chunk is None:
            self._restored.pop(first_offset, None)
        else:
            self._restored[first_offset] = chunk

    def restored(self, clock_ms: int | None = None, elapsed_ms: int | None = None) -> None:
        """Call it when every chunk has been restored, before any search; the clocks: what was kept."""
        chunks = [(offset, *unpack(self._restored[offset])) for offset in sorted(self._restored)]
        self._clock_ms = max([_NEVER if clock_ms is None else clock_ms, *(m.clock_ms for _, _, m in chunks)])
        # Chunks of earlier releases do not say when they came: not after the next one, nor after now.
        came_ms = max([elapsed_ms or 0, *(made.came_ms or 0 for _, _, made in chunks)])
        came: list[tuple[int, int]] = []
        for _, ids, made in reversed(chunks):
            came_ms = came_ms if made.came_ms is None else made.came_ms
            came.append((came_ms, len(ids.ms)))
        generations = self._arrivals.restore(elapsed_ms, reversed(came))
        for place, (offset, _, made) in enumerate(chunks):
            known = made._replace(came_ms=came[-1 - place][0])
            self._chunks.restore(offset, self._restored.pop(offset), known, generations[place])
        counts = [len(ids.ms) for _, ids, _ in chunks]
        ids, places = _newest_of_each(joined([ids for _, ids, _ in chunks]))
        self._cold.merge(*ids, np.repeat(np.array(generations, np.int64), counts)[places], self._held)
        self._recent_since_ms = self._cold_since_ms = self._arrivals.elapsed_ms

    @property
    def _held(self) -> Held:
        return Held(
            max(self._clock_ms - self._window_ms - SLACK_MS, 1),
            max(self._clock_ms, self._worker_ms) + _AHEAD_MS,
            self._arrivals.first_held,
        )

    def _move_clocks(self, older_end_ms: int, newest_ms: int, now_ms: int) -> None:
        self._worker_ms = now_ms
        self._arrivals.advance(now_ms)
        self._reached_ms, self._reached_in = min(self._reached_ms, newest_ms), self._reached_in + 1
        if self._reached_in == _STUCK_BATCHES:
            older_end_ms = max(older_end_ms, self._reached_ms)
            self._reached_ms, self._reached_in = LAST_MS, 0
        self._clock_ms = max(self._clock_ms, min(older_end_ms, now_ms))

    def _until_ms(self, ids: Ids) -> int:
        """What the clock has to pass before none of these is held by its time."""
        held, newest_ms = self._held, int(ids.ms.max())
        if newest_ms > held.to_ms:
            newest_ms = int(ids.ms[ids.ms <= held.to_ms].max(initial=_NEVER))
        return _NEVER if newest_ms < held.from_ms else newest_ms + self._window_ms + SLACK_MS

    def _firsts_of(self, needles: Hashes) -> dict[int, int]:
        """Of the packed ids among these: when each was first seen. What came anew has a later time."""
        firsts: dict[int, int] = {}
        for packed in (self._cold, self._warm, self._settled):
            for hashed, ms in packed.find(needles):
                firsts[hashed] = max(ms, firsts.get(hashed, ms))
        return firsts

    def _find_each(
        self, ids: list[int], stamps_ms: Sequence[int], firsts: dict[int, int], fresh: dict[int, int]
    ) -> list[int]:
        """Note all of a batch, and judge those that may be repeated.

        `firsts`: when those that are packed were first seen; `fresh`: all, each once.
        """
        recent, window_ms = self._recent, self._window_ms
        suspects = firsts.keys() | (recent.keys() & fresh.keys())
        if len(fresh) < len(ids):
            suspects |= {hashed for hashed, count in Counter(ids).items() if count > 1}
        held = {hashed: recent.get(hashed) for hashed in suspects}
        recent.update(fresh)
        repeated = []
        for place in [place for place, hashed in enumerate(ids) if hashed in suspects]:
            hashed, stamp = ids[place], stamps_ms[place]
            first = held[hashed]
            if first is None:
                first = firsts.get(hashed)
            if first is not None and stamp <= first + window_ms:
                repeated.append(place)
            else:
                held[hashed] = stamp
        for hashed, ms in held.items():
            if ms is None:
                del recent[hashed]  # packed, and not seen anew
            else:
                recent[hashed] = ms
        return repeated

    def _settle(self) -> None:
        """Pack the recent ids, and begin to merge them, which goes on with every batch."""
        sum(self._merging or ())
        held = self._held
        ids, _ = _newest_of_each(joined(self._recent_parts))
        self._recent, self._recent_parts = {}, []
        self._recent_since_ms = self._arrivals.elapsed_ms
        self._settled = SortedIds()
        self._settled.merge(*ids, self._arrivals.current, held)
        self._merging = self._merge(held)
        self._go_on_merging()

    def _go_on_merging(self) -> None:
        entries = 0
        while entries < _MERGED_AT_ONCE and self._merging is not None:
            entries += next(self._merging, 0)

    def _merge(self, held: Held) -> Iterator[int]:
        """Take in what has settled, and forget that of which all is over."""
        yield from self._warm.taking_in(self._settled, held)
        self._settled = SortedIds()
        elapsed_ms = self._arrivals.elapsed_ms
        # Also when few come now: the many that came before are to be forgotten.
        if (
            len(self._warm) > max(_WARM_IDS, len(self._cold) // 8)
            or elapsed_ms - self._cold_since_ms > self._window_ms + SLACK_MS
        ):
            yield from self._cold.absorbing(self._warm, held)
            self._cold_since_ms = elapsed_ms
            self._warm = SortedIds()
        self._merging = None


def _newest_of_each(ids: Ids) -> tuple[Ids, npt.NDArray[np.intp]]:
    """Ascending hashes, none twice, of several times of one the last; and the places where they were."""
    order = ids.hashes.argsort()  # not stable, which would take five times as long
    hashes = ids.hashes[order]
    starts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1]))[: len(hashes)])
    places = np.maximum.reduceat(order, starts) if len(starts) else order
    return Ids(ids.hashes[places], ids.ms[places]), places
