"""The dedupe ids of a source partition as they lie in the feed: append-only chunks, merged to stay few.

A chunk's value: five little-endian int64 (`base`, `clock` and `until` in Kafka ms, `width`, and `came` in ms
of tables/fold/dedupe/arrivals.py), then n hashes of 8 bytes, then n times as ms since `base`, `width` bytes
each (4, or 8 where they span more than 49 days). `width` is written with bit 8 set; where it is not, there is
no `came`: so earlier releases wrote. The ids are in the order of their first occurrence. `clock` is the clock
of tables/fold/dedupe/duplicates.py when the chunk was made; once that has passed `until`, and what came at
`came` is no longer held, no id of the chunk is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tables.fold.dedupe.sorted_ids import Hashes, Millis
from tables.keys import FeedFormatError

CHUNK_BYTES = 512 * 1024
"""A merged chunk is smaller; so is a fresh one, which is split if need be."""

_FRESH_IDS = 40_000
_FANOUT = 16
_LEVEL_BYTES = (3 * 1024, 48 * 1024, 240 * 1024)  # a larger chunk is final: no longer merged, nor held
_HEADER = struct.Struct("<qqqq")
_CAME = struct.Struct("<q")
_HAS_CAME = 1 << 8
_TIMES: dict[int, np.dtype[Any]] = {4: np.dtype("<u4"), 8: np.dtype("<i8")}


class Ids(NamedTuple):
    """Ids in the order of their first occurrence, with its Kafka ms."""

    hashes: Hashes
    ms: Millis


def joined(parts: Sequence[Ids]) -> Ids:
    """One after the other."""
    parts = [Ids(np.empty(0, np.uint64), np.empty(0, np.int64)), *parts]
    return Ids(np.concatenate([part.hashes for part in parts]), np.concatenate([part.ms for part in parts]))


class Made(NamedTuple):
    """When a chunk was made, and until when it is needed. `came_ms` None: not known."""

    clock_ms: int
    until_ms: int
    came_ms: int | None


def pack(ids: Ids, made: Made) -> bytes:
    """A chunk's value."""
    base = int(ids.ms.min())
    width = 4 if int(ids.ms.max()) - base < 1 << 32 else 8
    times: bytes = (ids.ms - base).astype(_TIMES[width]).tobytes()
    hashes: bytes = ids.hashes.astype("<u8").tobytes()
    came = b"" if made.came_ms is None else _CAME.pack(made.came_ms)
    header = _HEADER.pack(base, made.clock_ms, made.until_ms, width | _HAS_CAME if came else width)
    return header + came + hashes + times


def unpack(value: bytes) -> tuple[Ids, Made]:
    """A chunk's ids, and when it was made. Raises `FeedFormatError`."""
    if len(value) >= _HEADER.size:
        base, clock, until, width = _HEADER.unpack_from(value)
        start, came = _HEADER.size, None
        if width & _HAS_CAME and len(value) >= start + _CAME.size:
            (came,) = _CAME.unpack_from(value, start)
            start, width = start + _CAME.size, width - _HAS_CAME
        count, rest = divmod(len(value) - start, 8 + width) if width in _TIMES else (0, 1)
        if not rest:
            hashes = np.frombuffer(value, "<u8", count, start)
            times = np.frombuffer(value, _TIMES[width], count, start + 8 * count)
            ids = Ids(hashes.astype(np.uint64), times.astype(np.int64) + base)
            return ids, Made(clock, until, came)
    raise FeedFormatError("a dedupe record of the feed is damaged: delete the feed's records to start over")


@dataclass(slots=True)
class Chunk:
    """One live chunk. `generation`: that of its last id. `value`: None once it is final; `written`: the feed
    has a record under this key."""

    first_offset: int
    size: int
    made: Made
    generation: int
    value: bytes | None
    written: bool


class Chunks:
    """The live chunks, by first offset, and what of them is still to be written."""

    def __init__(self) -> None:
        self._live: list[Chunk] = []
        self._unwritten: dict[int, bytes | None] = {}

    def __len__(self) -> int:
        return len(self._live)

    def add(self, first_offset: int, ids: Ids, made: Made, generation: int) -> None:
        """Append the ids of one interval. `first_offset` is the source offset of the first of them."""
        for number, start in enumerate(range(0, len(ids.hashes), _FRESH_IDS)):
            part = slice(start, start + _FRESH_IDS)
            value = pack(Ids(ids.hashes[part], ids.ms[part]), made)
            # Every id has an offset of its own: the keys of the parts cannot meet those of later chunks.
            self._append(first_offset + number, value, made, generation, written=False)
        for above, level_bytes in pairwise((0, *_LEVEL_BYTES)):
            self._merge(above, level_bytes)

    def expire(self, clock_ms: int, first_held: int) -> None:
        """Drop the chunks that are not needed: over by the clock, and of no generation that is held."""
        live, self._live = self._live, []
        for chunk in live:
            if chunk.generation < first_held and chunk.made.until_ms < clock_ms:
                self._remove(chunk)
            else:
                self._live.append(chunk)

    def changes(self) -> dict[int, bytes | None]:
        """First offset → value (None: delete it) of what changed since the last call."""
        changed, self._unwritten = self._unwritten, {}
        for chunk in self._live:
            if chunk.first_offset in changed:
                chunk.written = True
        return changed

    def restore(self, first_offset: int, value: bytes, made: Made, generation: int) -> None:
        """Take what the feed has, in the order of the offsets."""
        self._append(first_offset, value, made, generation, written=True)
        self._unwritten.clear()

    def _append(self, first_offset: int, value: bytes, made: Made, generation: int, *, written: bool) -> None:
        kept = value if len(value) <= _LEVEL_BYTES[-1] else None
        self._live.append(Chunk(first_offset, len(value), made, generation, kept, written))
        self._unwritten[first_offset] = value

    def _remove(self, chunk: Chunk) -> None:
        if chunk.written:
            self._unwritten[chunk.first_offset] = None
        else:
            self._unwritten.pop(chunk.first_offset, None)

    def _merge(self, above: int, level_bytes: int) -> None:
        """Make one of the chunks of this level, if they are many or enough for a whole one.

        Of a level are the newest chunks up to its size, without those at the end that are of a lower one.
        """
        last = len(self._live)
        while last and self._live[last - 1].size <= above:
            last -= 1
        start, total = last, 0
        while start and self._live[start - 1].size <= level_bytes:
            start -= 1
            total += self._live[start].size
        if last - start < _FANOUT and total < CHUNK_BYTES * 9 // 10:
            return
        end, total = start, 0
        while end < last and total + self._live[end].size <= CHUNK_BYTES:
            total += self._live[end].size
            end += 1
        run, newer = self._live[start:end], self._live[end:]
        if len(run) < 2:
            return
        ids = joined([unpack(chunk.value)[0] for chunk in run if chunk.value is not None])
        clocks, untils, came = zip(*(chunk.made for chunk in run), strict=True)
        made = Made(max(clocks), max(untils), max(came_ms or 0 for came_ms in came))
        value = pack(ids, made)
        for chunk in run[1:]:
            self._remove(chunk)
        del self._live[start:]
        self._append(run[0].first_offset, value, made, run[-1].generation, written=run[0].written)
        self._live += newer
