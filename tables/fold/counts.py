"""What became of the events of a batch: which of them were folded before, and how many there are of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.validation.decoded import Decoded
from tables.fold.dedupe.duplicates import IdWindow, hash_ids
from tables.fold.times import without

FoldCounts = dict[str, dict[str, int]]
"""Outcome (`accepted`, `duplicate`, `late_dropped`) → event name → how many."""


def find_duplicates(
    ids: IdWindow, batch: Decoded, timestamps_ms: Sequence[int], first_offset: int, now_ms: int
) -> list[int]:
    """Places of the events that have been folded before; all are noted."""
    bad = [place for place, _ in batch.bad]
    hashes, stamps_ms = hash_ids(without(batch.ids, bad)), without(timestamps_ms, bad)
    repeated = ids.find_duplicates(hashes, stamps_ms, first_offset, now_ms)
    if bad and repeated:
        places = without(range(len(batch.ids)), bad)
        return [places[at] for at in repeated]
    return repeated


def count(kinds: Iterable[type[Any] | None], names: Mapping[type[Any], str]) -> dict[str, int]:
    """How many there are of each class, by its name; None is nothing."""
    counts = Counter(kinds)
    del counts[None]
    return {names[known]: number for known, number in counts.items() if known is not None}
