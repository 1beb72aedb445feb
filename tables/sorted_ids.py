"""A set of 64-bit hashes with a time each, 14 bytes an entry (18 with `long` times): sorted numpy arrays that
grow in place."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Millis = npt.NDArray[np.int64]

_Scalar = TypeVar("_Scalar", bound=np.generic)
_BLOCK = 1 << 16  # entries moved at once: a merge needs this much room besides the arrays, not a second copy
_MARK_BITS = 16  # of the marks, per entry
_HALF, _THREE, _SEVEN = np.uint64(32), np.uint64(3), np.uint64(7)
Since = npt.NDArray[np.uint32] | Millis


class SortedIds:
    """Hash → Kafka ms, found by binary search. Times are kept as ms since `_base_ms`: up to 49 days, or any
    number if they are `long`."""

    def __init__(self, *, long: bool = False) -> None:
        self._hashes: Hashes = np.empty(0, np.uint64)
        self._since: Since = np.empty(0, np.int64) if long else np.empty(0, np.uint32)
        self._latest = int(np.iinfo(self._since.dtype).max)
        self._base_ms = 0
        # A bit for each sixteenth of the hashes' mean distance, set where there is one: of needles that are
        # not here, one in sixteen has to be searched for.
        self._marks: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    @property
    def horizon_ms(self) -> int:
        """What is older was dropped at the last merge."""
        return self._base_ms

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, needles: Hashes) -> list[tuple[int, int]]:
        """(hash, ms) of the `needles` that are here."""
        if not len(self._hashes):
            return []
        bits = self._bits_of(needles)
        needles = needles[self._marks[bits >> _THREE] >> (bits & _SEVEN).astype(np.uint8) & 1 == 1]
        if not len(needles):
            return []
        places = self._hashes.searchsorted(needles)
        np.minimum(places, len(self._hashes) - 1, out=places)
        hits = places[self._hashes[places] == needles]
        if not len(hits):
            return []
        since: list[int] = self._since[hits].tolist()
        found: list[int] = self._hashes[hits].tolist()
        return [(hashed, self._base_ms + ms) for hashed, ms in zip(found, since, strict=True)]

    def merge(self, hashes: Hashes, ms: Millis, horizon_ms: int) -> None:
        """Take these in (ascending, none twice; they override), and drop what is older than `horizon_ms`."""
        self._drop(horizon_ms)
        fresh = ms >= horizon_ms
        hashes, since = hashes[fresh], self._counted(ms[fresh] - self._base_ms)
        places = self._hashes.searchsorted(hashes)
        if len(self._hashes):
            at = np.minimum(places, len(self._hashes) - 1)
            known = self._hashes[at] == hashes
            self._since[at[known]] = since[known]
            hashes, since, places = hashes[~known], since[~known], places[~known]
        self._insert(hashes, since, places)
        self._mark()

    def all(self) -> tuple[Hashes, Millis]:
        """Every hash, ascending, and its ms."""
        return self._hashes.copy(), self._since.astype(np.int64) + self._base_ms

    def _drop(self, horizon_ms: int) -> None:
        """Forget what is older than the horizon, and count from the horizon from now on."""
        shift, kept, size = horizon_ms - self._base_ms, 0, len(self._hashes)
        self._base_ms = horizon_ms
        for start in range(0, size, _BLOCK):
            block = slice(start, start + _BLOCK)
            since = self._since[block].astype(np.int64) - shift
            stays = since >= 0
            end = kept + int(stays.sum())
            self._hashes[kept:end] = self._hashes[block][stays]
            self._since[kept:end] = self._counted(since[stays])
            kept = end
        self._resize(kept)

    def _counted(self, since: Millis) -> Since:
        since = np.minimum(since, self._latest)
        return since if self._since.dtype == since.dtype else since.astype(np.uint32)

    def _insert(self, hashes: Hashes, since: Since, places: npt.NDArray[np.intp]) -> None:
        """Put each new entry before the old one at its place: from the end, block by block, in place."""
        end, last = len(self._hashes), len(hashes)
        self._resize(end + last)
        while last:
            start = max(0, end - _BLOCK)
            first = int(places.searchsorted(start)) if start else 0
            fresh = np.zeros(end - start + last - first, bool)
            fresh[places[first:last] - start + np.arange(last - first)] = True
            into = slice(start + first, end + last)
            self._hashes[into] = _woven(self._hashes[start:end], hashes[first:last], fresh)
            self._since[into] = _woven(self._since[start:end], since[first:last], fresh)
            end, last = start, first

    def _bits_of(self, hashes: Hashes) -> Hashes:
        return (hashes >> _HALF) * np.uint64(8 * len(self._marks)) >> _HALF

    def _mark(self) -> None:
        self._marks = np.zeros(_MARK_BITS * len(self._hashes) // 8, np.uint8)
        for start in range(0, len(self._hashes), _BLOCK):
            bits = self._bits_of(self._hashes[start : start + _BLOCK])
            first_byte = bits[0] >> _THREE
            is_set = np.zeros((int(bits[-1] >> _THREE) - int(first_byte) + 1) * 8, bool)
            is_set[bits - (first_byte << _THREE)] = True
            marks = np.packbits(is_set, bitorder="little")
            self._marks[int(first_byte) : int(first_byte) + len(marks)] |= marks

    def _resize(self, size: int) -> None:
        # refcheck: no view of these arrays outlives the call that made it
        self._hashes.resize(size, refcheck=False)
        self._since.resize(size, refcheck=False)


def _woven(
    old: npt.NDArray[_Scalar], new: npt.NDArray[_Scalar], is_new: npt.NDArray[np.bool]
) -> npt.NDArray[_Scalar]:
    woven = np.empty(len(is_new), old.dtype)
    woven[is_new] = new
    woven[~is_new] = old
    return woven
