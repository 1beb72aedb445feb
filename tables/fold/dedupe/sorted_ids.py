"""A set of 64-bit hashes, with a time and a generation each, 18 bytes an entry: sorted numpy arrays that grow
in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Millis = npt.NDArray[np.int64]
Generations = npt.NDArray[np.int64]

LAST_MS = (1 << 51) - 1
"""No time may be further than this from 1970, on either side: some 71,000 years."""

_Scalar = TypeVar("_Scalar", bound=np.generic)
_BLOCK = 1 << 15  # entries moved at once: a merge needs this much room besides the arrays, not a second copy
_PUT_OFF = 16  # generations: a pass over all, to drop a few, costs as much as a merge
_MARK_BITS = 16  # of the marks, per entry
_HALF, _THREE, _SEVEN = np.uint64(32), np.uint64(3), np.uint64(7)
_GENERATION_BITS = np.uint64(12)
_GENERATION = np.uint64((1 << 12) - 1)


class Held(NamedTuple):
    """What is to be held: times in [from_ms, to_ms], and whatever is of this `generation` or a later one."""

    from_ms: int
    to_ms: int
    generation: int


class SortedIds:
    """Hash → Kafka ms and generation, found by binary search.

    Both share 64 bits: the time above, so that words compare as times do, and below it the generation,
    counted from the first that is held (0: it is over). At most 4,094 generations may be held at once.

    A merge goes on a block at a time, and whatever was here is found between any two of them.
    """

    def __init__(self) -> None:
        self._hashes: Hashes = np.empty(0, np.uint64)
        self._words: Hashes = np.empty(0, np.uint64)
        self._gap = slice(0, 0)  # what lies there belongs to nothing, in the middle of a merge
        self._taken = 0  # entries taken in from another one that still has them
        self._over = -1  # the last generation that is not held
        # A bit for each sixteenth of the hashes' mean distance, set where there is one: of the needles that
        # are not here, one in sixteen is searched for.
        self._marks: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def __len__(self) -> int:
        return len(self._hashes) - (self._gap.stop - self._gap.start) - self._taken

    def find(self, needles: Hashes) -> list[tuple[int, int]]:
        """(hash, ms) of the `needles` that are here."""
        if not len(self._marks):
            return []
        bits = _bits_of(needles, self._marks)
        needles = needles[self._marks[bits >> _THREE] >> (bits & _SEVEN).astype(np.uint8) & 1 == 1]
        found: list[tuple[int, int]] = []
        for region in (slice(self._gap.start), slice(self._gap.stop, None)) if len(needles) else ():
            hashes = self._hashes[region]
            if not len(hashes):
                continue
            places = hashes.searchsorted(needles)
            np.minimum(places, len(hashes) - 1, out=places)
            hits = places[hashes[places] == needles]
            times: list[int] = _times_of(self._words[region][hits]).tolist()
            found += zip(hashes[hits].tolist(), times, strict=True)
        return found

    def merge(self, hashes: Hashes, ms: Millis, generations: Generations | int, held: Held) -> None:
        """Take in what is to be `held` of these (ascending, none twice), which override."""
        more = SortedIds()
        more._over = held.generation - 1
        generations, times = np.asarray(generations), _word(ms)
        stays = _stays(times | (generations >= held.generation), held)
        words = times | np.maximum(generations - more._over, 0).astype(np.uint64)
        more._hashes, more._words = hashes[stays], words[stays]
        sum(self.taking_in(more, held))

    def absorb(self, other: SortedIds, held: Held) -> None:
        """Drop what is not to be `held`, and merge all of another one, which is of no use afterwards."""
        sum(self.absorbing(other, held))

    def absorbing(self, other: SortedIds, held: Held) -> Iterator[int]:
        """The same in steps, each of which tells how many entries it took. Until the last one, `other` still
        has all that it has and is to be held."""
        yield from other._drop(held)
        yield from self._drop(held)
        yield from self.taking_in(other, held)

    def taking_in(self, other: SortedIds, held: Held) -> Iterator[int]:
        """Merge in steps what another one has, all of which is to be held. What was here and is not is
        dropped now and then, and by `absorb`."""
        if held.generation - 1 - self._over >= _PUT_OFF:
            yield from self._drop(held)
        later = np.uint64(other._over - self._over)
        size, end = len(other._hashes), 0
        fresh, fresh_words, into = (
            np.empty(size, np.uint64),
            np.empty(size, np.uint64),
            np.empty(size, np.intp),
        )
        for start in range(0, size, _BLOCK):
            at_once = slice(start, start + _BLOCK)
            hashes, words = other._hashes[at_once], other._words[at_once]
            words = words + (words & _GENERATION > 0) * later
            count, places = len(hashes), self._hashes.searchsorted(hashes)
            if len(self._hashes):
                at = np.minimum(places, len(self._hashes) - 1)
                known = self._hashes[at] == hashes
                self._words[at[known]] = words[known]
                hashes, words, places = hashes[~known], words[~known], places[~known]
            begin, end = end, end + len(hashes)
            fresh[begin:end], fresh_words[begin:end], into[begin:end] = hashes, words, places
            yield count
        if end:
            yield from self._insert(fresh[:end], fresh_words[:end], into[:end])
        yield from self._mark()
        self._taken = 0

    def _drop(self, held: Held) -> Iterator[int]:
        """Forget what is not held, and count generations from the first that is."""
        shift, self._over = np.uint64(held.generation - 1 - self._over), held.generation - 1
        kept, size = 0, len(self._hashes)
        for start in range(0, size, _BLOCK):
            block = slice(start, start + _BLOCK)
            words = self._words[block]
            words = words - np.minimum(words & _GENERATION, shift)
            stays = _stays(words, held)
            end = kept + int(stays.sum())
            if end - start < len(words):
                self._hashes[kept:end] = self._hashes[block][stays]
                words = words[stays]
            self._words[kept:end] = words
            kept = end
            self._gap = slice(kept, min(start + _BLOCK, size))
            yield len(stays)
        self._gap = slice(0, 0)
        self._resize(kept)

    def _insert(self, hashes: Hashes, words: Hashes, places: npt.NDArray[np.intp]) -> Iterator[int]:
        """Put each new entry before the old one at its place: from the end, block by block, in place."""
        end, last = len(self._hashes), len(hashes)
        self._resize(end + last)
        self._gap = slice(end, end + last)
        while last:
            start = max(0, end - _BLOCK)
            first = int(places.searchsorted(start)) if start else 0
            if last - first > _BLOCK:
                first = last - _BLOCK
                start = int(places[first])
            fresh = np.zeros(end - start + last - first, bool)
            fresh[places[first:last] - start + np.arange(last - first)] = True
            into = slice(start + first, end + last)
            self._hashes[into] = _woven(self._hashes[start:end], hashes[first:last], fresh)
            self._words[into] = _woven(self._words[start:end], words[first:last], fresh)
            end, last = start, first
            self._gap = slice(end, end + last)
            self._taken = len(hashes) - last
            yield len(fresh)
        self._gap = slice(0, 0)

    def _mark(self) -> Iterator[int]:
        marks = np.zeros(_MARK_BITS * len(self._hashes) // 8, np.uint8)
        for start in range(0, len(self._hashes), _BLOCK):
            bits = _bits_of(self._hashes[start : start + _BLOCK], marks)
            first_byte = bits[0] >> _THREE
            is_set = np.zeros((int(bits[-1] >> _THREE) - int(first_byte) + 1) * 8, bool)
            is_set[bits - (first_byte << _THREE)] = True
            packed = np.packbits(is_set, bitorder="little")
            marks[int(first_byte) : int(first_byte) + len(packed)] |= packed
            yield len(bits)
        self._marks = marks

    def _resize(self, size: int) -> None:
        # refcheck: no view of these arrays outlives the call that made it
        self._hashes.resize(size, refcheck=False)
        self._words.resize(size, refcheck=False)


def _bits_of(hashes: Hashes, marks: npt.NDArray[np.uint8]) -> Hashes:
    return (hashes >> _HALF) * np.uint64(8 * len(marks)) >> _HALF


def _woven(
    old: npt.NDArray[_Scalar], new: npt.NDArray[_Scalar], is_new: npt.NDArray[np.bool]
) -> npt.NDArray[_Scalar]:
    woven = np.empty(len(is_new), old.dtype)
    woven[is_new] = new
    woven[~is_new] = old
    return woven


def _word(ms: Millis) -> Hashes:
    return (ms + (LAST_MS + 1)).astype(np.uint64) << _GENERATION_BITS


def _times_of(words: Hashes) -> Millis:
    return (words >> _GENERATION_BITS).astype(np.int64) - (LAST_MS + 1)


def _stays(words: Hashes, held: Held) -> npt.NDArray[np.bool]:
    limits = np.array([held.from_ms, held.to_ms], np.int64).clip(-LAST_MS, LAST_MS)
    first, last = _word(limits)
    is_held: npt.NDArray[np.bool] = words & _GENERATION > 0
    is_held |= (words >= first) & (words <= last | _GENERATION)
    return is_held
