"""A range of a source partition, filled record by record, and the Bronze objects that it becomes.

The objects depend only on the range's records: not on the batches in which they arrived, nor on time. A
range that is read again after a crash gives the same bytes.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from itertools import accumulate
from operator import attrgetter
from typing import Any, NamedTuple

from agents.bronze.files import bad_folder, range_name
from agents.bronze.gzip import GzipPieces
from agents.bronze.layout import Layout
from agents.bronze.lines import LineWriter
from schemas.times import DAY_US
from schemas.validation.decoded import Decoded
from schemas.validation.fast_path import EVENT_TYPES
from schemas.validation.reasons import Quarantined
from schemas.validation.validator import Validator
from tables.fingerprint import RecordFingerprint, fingerprint_of

SEGMENT_BYTES = 4 << 20
"""After so many bytes of raw value, objects with enough lines have them compressed."""
PIECE_BYTES = 64 << 10
"""Fewer bytes than that are not worth a piece: twice the window of deflate."""
OBJECT_BYTES = 1024
"""What an object takes in memory beside its lines, about: a backfill has thousands."""
_offset = attrgetter("offset")


class BuiltObject(NamedTuple):
    """An object ready to be put. `path` is relative to the store's prefix."""

    path: str
    rows: int
    data: bytes


class _Lines:
    """The lines of one object: those compressed already, and those waiting, joined as they came.

    Joined at once: the lines of each slice then take the memory of those before, which is in the cache.
    """

    __slots__ = ("gzip", "rows", "waiting", "waiting_bytes")

    def __init__(self, pool: Executor) -> None:
        self.gzip = GzipPieces(pool)
        self.waiting: list[bytes] = []
        self.waiting_bytes = 0
        self.rows = 0

    def add(self, lines: list[bytes]) -> int:
        """Returns how many bytes they have."""
        data = b"".join(lines)
        self.waiting.append(data)
        self.waiting_bytes += len(data)
        self.rows += len(lines)
        return len(data)


class RangeBuilder:
    """Fills the range of `topic`, `partition` that begins at `first`. Not thread-safe; compresses in `pool`.

    `until`: the offset at which another writer's pending range has to end; without it the range ends when it
    has `max_bytes` of raw value.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        first: int,
        *,
        validator: Validator,
        pool: Executor,
        max_bytes: int,
        until: int | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.first = first
        self.next = first
        self.until = until
        self.lost: tuple[int, int] | None = None
        self.raw_bytes = 0
        self.rows = 0
        self.first_timestamp_ms: int | None = None
        self.last_record: RecordFingerprint | None = None
        self._validator = validator
        self._pool = pool
        self._max_bytes = max_bytes
        self._layout = layout or Layout()
        self._types_by_city = frozenset(
            EVENT_TYPES[name] for name in self._layout.by_city if name in EVENT_TYPES
        )
        self._writer = LineWriter(topic, partition)
        self._objects: dict[str, _Lines] = {}
        self._folders: dict[Any, str] = {}
        self._segment_room = SEGMENT_BYTES
        self._waiting_bytes = 0
        self._gzip_bytes = 0

    @property
    def full(self) -> bool:
        """Whether the range has to be closed before more is added."""
        if self.until is not None:
            return self.next >= self.until
        return self.raw_bytes >= self._max_bytes

    @property
    def empty(self) -> bool:
        """Whether no offset has been covered yet."""
        return self.next == self.first

    @property
    def held_bytes(self) -> int:
        """Approximate bytes that the range holds in memory."""
        return self._waiting_bytes + self._gzip_bytes + OBJECT_BYTES * len(self._objects)

    def lose(self, until: int) -> None:
        """Kafka has deleted the records from the range's beginning to `until`, before they were read."""
        assert self.rows == 0, "a range in which there is something is closed before"
        self.lost = (self.first, until)
        self.next = until

    def add(self, records: Sequence[Any], after: int) -> int:
        """Add records, all at or above `next` and below `after`, until the range is full; returns how many.

        Once all are added, the range reaches to `after`, or to `until`. `SLICE_RECORDS` at a time are best.
        """
        if self.until is not None:
            records = records[: bisect_left(records, self.until, key=_offset)]
        added = 0
        while added < len(records) and not self.full:
            added += self._add_part(records[added:])
        if added == len(records) and not self.full:
            self.next = after if self.until is None else min(after, self.until)
        return added

    def _add_part(self, records: Sequence[Any]) -> int:
        """Add as many as fit into the segment; returns how many."""
        values = [record.value for record in records]
        room = (
            min(self._segment_room, self._max_bytes - self.raw_bytes)
            if self.until is None
            else self._segment_room
        )
        size = _size(values)
        if size >= room:
            ends = list(accumulate(len(value or b"") for value in values))
            count = bisect_left(ends, room) + 1
            records, values, size = records[:count], values[:count], ends[count - 1]
        self._add_lines_of(records, values)
        self.last_record = fingerprint_of(records[-1])
        self.raw_bytes += size
        self.rows += len(records)
        self.next = records[-1].offset + 1
        self._segment_room -= size
        if self._segment_room <= 0:
            self._compress()
        return len(records)

    def _add_lines_of(self, records: Sequence[Any], values: list[bytes | None]) -> None:
        timestamps = [record.timestamp for record in records]
        offsets = [record.offset for record in records]
        if self.first_timestamp_ms is None:
            # Without a timestamp its age counts from here on. No object depends on it.
            self.first_timestamp_ms = timestamps[0] if timestamps[0] >= 0 else int(time.time() * 1000)
        decoded = self._validator.decode_batch(values, timestamps, {})
        good: list[Any] = decoded.texts
        if decoded.bad:
            good = good.copy()
            for index, why in decoded.bad:
                good[index] = b"{}"
                self._add_bad(values[index], offsets[index], timestamps[index], why)
        lines: Iterable[bytes] = self._writer.lines(good, offsets, timestamps)
        if decoded.adapted:
            lines = list(lines)
            self._writer.mark_adapted(lines, decoded.adapted)
        keys = self._keys_by_city(decoded) if self._types_by_city else decoded.kinds
        days = decoded.times // DAY_US
        if (days == days[0]).all():
            self._group(int(days[0]), keys, lines)
            return
        by_day: defaultdict[int, list[tuple[Any, bytes]]] = defaultdict(list)
        for day, key, line in zip(days.tolist(), keys, lines, strict=True):
            by_day[day].append((key, line))
        for day, of_day in by_day.items():
            self._group(day, [key for key, _ in of_day], [line for _, line in of_day])

    def _group(self, day: int, keys: Iterable[Any], lines: Iterable[bytes]) -> None:
        """Put the lines of a day to their objects, which the keys name; the key of a bad record's is None."""
        groups: defaultdict[Any, list[bytes]] = defaultdict(list)
        for key, line in zip(keys, lines, strict=True):
            groups[key].append(line)
        groups.pop(None, None)
        for key, group in groups.items():
            folder = self._folders.get((day, key))
            if folder is None:
                kind, city = key if isinstance(key, tuple) else (key, None)
                folder = self._folders[day, key] = self._layout.folder(kind.event, day, city)
            self._add_lines(folder, group)

    def _keys_by_city(self, decoded: Decoded) -> list[Any]:
        by_city, no_city = self._types_by_city, self._layout.no_city
        return [
            (kind, city or no_city) if kind in by_city else kind
            for kind, city in zip(decoded.kinds, decoded.cities, strict=True)
        ]

    def _add_bad(self, value: bytes | None, offset: int, timestamp_ms: int, why: Quarantined) -> None:
        line = self._writer.bad(value, offset, timestamp_ms, why)
        self._add_lines(bad_folder(why.code, timestamp_ms), [line])

    def _add_lines(self, folder: str, lines: list[bytes]) -> None:
        held = self._objects.get(folder)
        if held is None:
            held = self._objects[folder] = _Lines(self._pool)
        self._waiting_bytes += held.add(lines)

    def _compress(self) -> None:
        """The segment ends: compress the objects that are large enough."""
        self._segment_room += SEGMENT_BYTES
        for held in self._objects.values():
            if held.waiting_bytes >= PIECE_BYTES:
                self._compress_one(held)
        self._gzip_bytes = sum(held.gzip.held_bytes() for held in self._objects.values())

    def _compress_one(self, held: _Lines) -> None:
        if held.waiting:
            held.gzip.add(b"".join(held.waiting))
            self._waiting_bytes -= held.waiting_bytes
            held.waiting, held.waiting_bytes = [], 0

    def close(self) -> None:
        """The range is complete: compress the rest in the background, for `objects`."""
        for held in self._objects.values():
            self._compress_one(held)
        self._gzip_bytes = sum(held.gzip.held_bytes() for held in self._objects.values())

    def objects(self) -> list[BuiltObject]:
        """The closed range's objects, by path. Waits for their compression: call it in a thread."""
        name = range_name(self.topic, self.partition, self.first, self.next - 1)
        return [
            BuiltObject(folder + name, held.rows, held.gzip.finished())
            for folder, held in sorted(self._objects.items())
        ]


def _size(values: list[bytes | None]) -> int:
    try:
        return sum(map(len, values))  # type: ignore[arg-type]
    except TypeError:
        return sum(len(value) for value in values if value is not None)
