"""How far each target has been told: the metadata of the one offset that the group commits.

The offset is that of the oldest record of `ops.alarms` that somebody has not been told; the metadata says how
far each target is, so that one that is slow does not make the others hear twice after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from agents.notify.announcer import Mark, Source

MOST_METADATA = 3_500
"""Characters; Kafka takes 4 KiB (offset.metadata.max.bytes)."""


@dataclass(frozen=True)
class Position:
    """`ends`: of each source, all records before it are done but for `undone`."""

    ends: Mapping[Source, int]
    undone: frozenset[Mark] = field(default_factory=frozenset)

    def is_done(self, mark: Mark) -> bool:
        """Whether there is nothing left to tell of a record."""
        return mark.offset < self.ends.get(mark.source, 0) and mark not in self.undone

    def first(self, source: Source) -> int:
        """The oldest record of a source that is not done."""
        undone = (mark.offset for mark in self.undone if mark.source is source)
        return min(undone, default=self.ends.get(source, 0))

    def coarse(self) -> Position:
        """A shorter one, by which some of what is done is not."""
        return Position({source: self.first(source) for source in self.ends})


def encode(positions: Mapping[str, Position]) -> tuple[int, str]:
    """The offset to commit, and its metadata. What does not fit is told again after a restart."""
    offset = min((position.first(Source.ALARMS) for position in positions.values()), default=0)
    text = _text(positions)
    if len(text) > MOST_METADATA:
        text = _text({name: position.coarse() for name, position in positions.items()})
    return offset, text


def _text(positions: Mapping[str, Position]) -> str:
    """Of each target and source the end, then the undone ones as their distances from it."""
    said = {
        name: {
            source.value: [
                end,
                *sorted(end - mark.offset for mark in position.undone if mark.source is source),
            ]
            for source, end in position.ends.items()
        }
        for name, position in positions.items()
    }
    return msgspec.json.encode(said).decode()


_decoder = msgspec.json.Decoder(dict[str, dict[str, list[int]]])


def decode(metadata: str) -> dict[str, Position]:
    """The positions by target; none where others have written it."""
    try:
        said = _decoder.decode(metadata)
        return {name: _position(numbers) for name, numbers in said.items()}
    except (msgspec.MsgspecError, ValueError):
        return {}


def _position(numbers: Mapping[str, list[int]]) -> Position:
    ends = {Source(source): end for source, (end, *_) in numbers.items()}
    undone: Iterable[Mark] = (
        Mark(Source(source), end - distance) for source, (end, *rest) in numbers.items() for distance in rest
    )
    return Position(ends, frozenset(undone))
