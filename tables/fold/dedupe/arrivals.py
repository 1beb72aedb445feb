"""When the ids of a source partition came: by a clock of its own, and as one of how many.

The clock counts the time for which the partition has been folded. It is stored with the ids and goes on after
a restart where it stopped, so neither timestamps nor another worker's wall clock move it. It is never ahead
of real time: a wall clock set back stops it, one set ahead (or an idle partition) moves it by a minute at
most.

Ids that came together are of one generation. A generation ends when a small part of the holding time has
passed, or of the held ids has come: what is held is rounded up by that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

_STEP_MS = 60_000
_PARTS_OF_TIME = 256
_PARTS_OF_IDS = 64


@dataclass(slots=True)
class _Generation:
    """When it began and its last id came, and how many ids had come before it and until its last one."""

    began_ms: int
    last_ms: int
    ids_before: int
    ids_until: int


class Arrivals:
    """Which generations are held: those of the last `hold_ms`, unless `most` ids have come since."""

    def __init__(self, hold_ms: int, most: int) -> None:
        self.elapsed_ms = 0
        self.first_held = 0
        self._hold_ms = hold_ms
        self._most = most
        self._wall_ms: int | None = None
        self._ids = 0
        self._held = deque([_Generation(0, 0, 0, 0)])

    @property
    def current(self) -> int:
        """The generation of what comes now, and at least that of all that came."""
        return self.first_held + len(self._held) - 1

    def advance(self, wall_ms: int) -> None:
        """Let the clock go on, and note which generations are over. `wall_ms`: the worker's wall clock."""
        if self._wall_ms is not None:
            self.elapsed_ms += min(max(wall_ms - self._wall_ms, 0), _STEP_MS)
        self._wall_ms = wall_ms
        self._begin()
        while len(self._held) > 1 and self._is_over(self._held[0]):
            self._held.popleft()
            self.first_held += 1

    def count(self, ids: int) -> None:
        """So many new ids came."""
        if ids:
            self._ids += ids
            self._held[-1].last_ms, self._held[-1].ids_until = self.elapsed_ms, self._ids

    def restore(self, elapsed_ms: int | None, chunks: Iterable[tuple[int, int]]) -> list[int]:
        """Begin with what was stored: the clock (without it the last chunk's time counts), and of each chunk,
        in order, (when it came, its count of ids). Returns the chunks' generations."""
        generations = []
        for came_ms, ids in chunks:
            self.elapsed_ms = max(self.elapsed_ms, came_ms)
            self._begin()
            self.count(ids)
            generations.append(self.current)
        self.elapsed_ms = max(self.elapsed_ms, elapsed_ms or 0)
        return generations

    def _begin(self) -> None:
        """Begin a generation if the last one is old or large enough."""
        last = self._held[-1]
        is_old = self.elapsed_ms - last.began_ms > self._hold_ms // _PARTS_OF_TIME
        if is_old or self._ids - last.ids_before > self._most // _PARTS_OF_IDS:
            self._held.append(_Generation(self.elapsed_ms, self.elapsed_ms, self._ids, self._ids))

    def _is_over(self, generation: _Generation) -> bool:
        return (
            self.elapsed_ms - generation.last_ms > self._hold_ms
            or self._ids - generation.ids_until >= self._most
        )
