"""The id window against the rule itself, with limits so small that every way through it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tables import dedupe, id_chunks, sorted_ids
from tables.dedupe import IdWindow, hash_id
from tables.id_chunks import Ids, pack, unpack
from tables.sorted_ids import SortedIds

WINDOW_MS = 100_000
FAR_MS = 50 * WINDOW_MS + dedupe.SLACK_MS
"""How far behind the clock some ids always come."""
START_MS = 1_790_000_000_000


@contextmanager
def small() -> Iterator[None]:
    with (
        patch.multiple(dedupe, _RECENT_IDS=5, _WARM_IDS=9),
        patch.multiple(sorted_ids, _BLOCK=4),
        patch.multiple(id_chunks, _FRESH_IDS=3, _FANOUT=3, _LEVEL_BYTES=(80, 200, 300), CHUNK_BYTES=600),
    ):
        yield


stamps = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from([0, 1, 5000, 50_000, 99_999, 100_000]), st.booleans()),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(stamps, st.data())
def test_the_rule_holds_through_settling_checkpoints_and_restarts(
    steps: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    with small():
        window, feed = IdWindow(WINDOW_MS), dict[int, bytes]()
        first_ms: dict[int, int] = {}
        clock, offset, todo = START_MS, 0, list(steps)
        while todo:
            size = data.draw(st.integers(1, 6))
            batch, todo = todo[:size], todo[size:]
            hashes, times, expected = [], [], []
            for place, (number, passed, late) in enumerate(batch):
                clock += passed
                stamp = clock - (FAR_MS if number % 4 == 3 else dedupe.SLACK_MS // 2 if late else 0)
                hashed = hash_id(str(number))
                if hashed in first_ms and stamp <= first_ms[hashed] + WINDOW_MS:
                    expected.append(place)
                else:
                    first_ms[hashed] = stamp
                hashes.append(hashed)
                times.append(stamp)
            assert window.judge(hashes, times, offset, now_ms=clock) == expected
            offset += len(batch)
            if data.draw(st.booleans()):
                for first, value in window.changes().items():
                    if value is None:
                        del feed[first]
                    else:
                        feed[first] = value
                if data.draw(st.booleans()):
                    window = IdWindow(WINDOW_MS)
                    for first in data.draw(st.permutations(sorted(feed))):
                        window.restore(first, feed[first])
                    window.restored()


hashes = st.integers(0, 2**64 - 1)
times = st.integers(START_MS, START_MS + 2**32 - 1)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(hashes, times, max_size=20), max_size=6), hashes)
def test_sorted_ids_are_a_dict(parts: list[dict[int, int]], other: int) -> None:
    with small():
        ids, plain = SortedIds(), dict[int, int]()
        for part in parts:
            keys = sorted(part)
            ids.merge(np.array(keys, np.uint64), np.array([part[k] for k in keys], np.int64), START_MS)
            plain |= part
        needles = sorted({*plain, other})
        assert dict(ids.find(np.array(needles, np.uint64))) == plain
        assert len(ids) == len(plain)
        assert dict(zip(*(column.tolist() for column in ids.all()), strict=True)) == plain


@given(st.dictionaries(hashes, st.integers(START_MS - 1000, START_MS), min_size=1), st.integers(0, 1000))
def test_what_is_older_than_the_horizon_is_dropped(part: dict[int, int], back: int) -> None:
    ids = SortedIds()
    keys = sorted(part)
    ids.merge(np.array(keys, np.uint64), np.array([part[k] for k in keys], np.int64), START_MS - 1000)
    horizon = START_MS - back
    ids.merge(np.empty(0, np.uint64), np.empty(0, np.int64), horizon)
    assert dict(ids.find(np.array(keys, np.uint64))) == {k: ms for k, ms in part.items() if ms >= horizon}


@given(
    st.lists(st.tuples(hashes, st.integers(-(2**50), 2**50)), min_size=1, max_size=50),
    st.integers(-(2**60), 2**60),
)
def test_chunks_round_trip(ids: list[tuple[int, int]], until: int) -> None:
    packed = pack(Ids(np.array([i for i, _ in ids], np.uint64), np.array([m for _, m in ids])), 7, until)
    read, clock, read_until = unpack(packed)
    assert list(zip(read.hashes.tolist(), read.ms.tolist(), strict=True)) == ids
    assert (clock, read_until) == (7, until)
