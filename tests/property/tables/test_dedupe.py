"""The id window against its promise, with limits so small that every way through it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from tables.fold.dedupe import arrivals, chunks, duplicates, sorted_ids
from tables.fold.dedupe.chunks import Ids, Made, pack, unpack
from tables.fold.dedupe.duplicates import IdWindow
from tables.fold.dedupe.sorted_ids import LAST_MS, Held, SortedIds
from tests.support.dedupe import hash_id
from tests.support.examples import examples

WINDOW_MS = 100_000
SLACK_MS = 300_000
DAY_MS = 86_400_000
START_MS = 1_790_000_000_000
HELD_IDS, STUCK_BATCHES = 12, 8


@contextmanager
def small() -> Iterator[None]:
    with (
        patch.multiple(
            duplicates,
            _RECENT_IDS=5,
            _RECENT_MS=20_000,
            _WARM_IDS=9,
            _MERGED_AT_ONCE=4,
            HELD_IDS=HELD_IDS,
            _STUCK_BATCHES=STUCK_BATCHES,
        ),
        patch.multiple(arrivals, _STEP_MS=500_000),
        patch.multiple(sorted_ids, _BLOCK=4, _PUT_OFF=3),
        patch.multiple(chunks, _FRESH_IDS=3, _FANOUT=3, _LEVEL_BYTES=(80, 200, 300), CHUNK_BYTES=600),
    ):
        yield


class First(NamedTuple):
    """A first occurrence: its Kafka timestamp, when it came, as which id; whether its time is waited for."""

    stamp_ms: int
    came_ms: int
    number: int
    waited_for: bool


@dataclass
class Promise:
    """The rule in the words of docs/contract.md §3, and what of it tables/fold/dedupe/duplicates.py promises
    to keep.

    Knows no wall clock but through the partition's clock, and no restart.
    """

    clock_ms: int = -(10**30)
    reached_ms: list[int] = field(default_factory=list)
    firsts: dict[int, First] = field(default_factory=dict)
    ids: int = 0

    def batch(self, stamps_ms: list[int], wall_ms: int) -> None:
        """The partition's clock: the newest of the batches' older ends, or of what each of many batches in a
        row reached; never ahead of the worker's own."""
        self.reached_ms.append(max(stamps_ms))
        reached = [min(self.reached_ms[-STUCK_BATCHES:])] if len(self.reached_ms) >= STUCK_BATCHES else []
        self.clock_ms = max(self.clock_ms, min(wall_ms, max([min(stamps_ms[0], stamps_ms[-1]), *reached])))

    def judge(self, number: int, stamp_ms: int, at_ms: int, wall_ms: int, *, found: bool) -> None:
        """One record: `found` is what the window said, `at_ms` the true time."""
        first = self.firsts.get(number)
        if first is not None and stamp_ms <= first.stamp_ms + WINDOW_MS:
            if found:
                return
            assert not self._held(first, at_ms), f"{number}: {first} was forgotten at {at_ms}"
        assert not found, f"{number}: no duplicate of {first}"
        self.ids += 1
        waited_for = 0 < stamp_ms <= max(self.clock_ms, wall_ms) + DAY_MS
        self.firsts[number] = First(stamp_ms, at_ms, self.ids, waited_for)

    def _held(self, first: First, at_ms: int) -> bool:
        in_time = first.waited_for and self.clock_ms <= first.stamp_ms + WINDOW_MS + SLACK_MS
        stays = at_ms - first.came_ms <= WINDOW_MS and self.ids - first.number < HELD_IDS
        return in_time or stays


OLD = 730 * DAY_MS
BACK_MS = [0, 0, 0, 1, SLACK_MS // 2, SLACK_MS, SLACK_MS + 1, 50 * WINDOW_MS, DAY_MS, OLD]
PASSED_MS = [0, 0, 1, 5000, 50_000, 99_999, 100_000, 100_001, 400_001]
AHEAD_MS = [-SLACK_MS, -DAY_MS // 2, -60 * DAY_MS]
NOTHING_MS = [START_MS, START_MS + 1, START_MS - 1000]
WALL_MS = [0, -400_000, 400_000, -DAY_MS // 4, DAY_MS // 4]


class Record(NamedTuple):
    """`id`, so long after the one before, and stamped so far behind the true time (before 0: ahead of it).

    `back_ms` None: it has a time of its own, each time the same, as in a replay.
    """

    id: int
    passed_ms: int
    back_ms: int | None

    def stamp_ms(self, true_ms: int) -> int:
        """Its Kafka timestamp."""
        return START_MS - OLD + self.id * DAY_MS if self.back_ms is None else true_ms - self.back_ms


class Batch(NamedTuple):
    """What comes at once; then perhaps a checkpoint, and perhaps a restart on a machine whose wall clock is
    wrong by `wall_ms`, with or without the clocks that a checkpoint keeps."""

    records: list[Record]
    then: str = "go on"
    wall_ms: int = 0


def batches(ids: int, passed_ms: list[int], back_ms: list[int | None]) -> st.SearchStrategy[list[Batch]]:
    """What comes, of so many ids, and with such times."""
    records = st.builds(Record, st.integers(0, ids), st.sampled_from(passed_ms), st.sampled_from(back_ms))
    batch = st.builds(
        Batch,
        st.lists(records, min_size=1, max_size=6),
        st.sampled_from(["go on", "go on", "checkpoint", "restart", "restart without clocks"]),
        st.sampled_from(WALL_MS),
    )
    return st.lists(batch, max_size=20)


anything = batches(12, PASSED_MS, [*BACK_MS, *AHEAD_MS, *NOTHING_MS, None])
replays = batches(20, [0, 0, 0, 30_000, 100_000], [None])
mixtures = batches(16, [0, 0, 1, 30_000, 99_999], [0, 0, 0, None, None, SLACK_MS, -SLACK_MS, -DAY_MS // 2])
FAR_AHEAD_IN_A_CHUNK_THAT_IS_KEPT = [
    Batch([Record(0, 0, -DAY_MS // 2), Record(8, 0, -60 * DAY_MS)], "restart"),
    Batch([Record(0, 0, 0)]),
    Batch([Record(8, 400_001, 0)], "checkpoint"),
    Batch([Record(0, 0, 0)]),
    Batch([Record(0, 400_001, 0)], "restart"),
    Batch([Record(8, 0, 0)]),
]
AN_OLD_ID_THEN_TODAY = [
    Batch([Record(3, 0, OLD)], "restart"),
    Batch([Record(0, 0, 0), Record(3, 0, OLD), Record(0, 0, 0)]),
]
NEW_AFTER_A_TIME_FAR_AHEAD = [
    Batch([Record(0, 0, 0)]),
    Batch([
        Record(1, 0, 0), Record(1, 0, -60 * DAY_MS), Record(4, 0, 0), Record(0, 0, -DAY_MS // 2),
        Record(3, 0, 0), Record(5, 0, 0),
    ], "restart"),
    Batch([Record(2, 0, 0)], "checkpoint"),
    Batch([Record(0, 400_001, 0), Record(1, 0, 0)], "checkpoint"),
    Batch([Record(0, 0, 0)]),
    Batch([Record(0, 400_001, 0)], "restart"),
    Batch([Record(1, 0, 0)]),
]  # fmt: skip


def play(steps: list[Batch]) -> None:
    """Let a window judge the batches, and the promise what it says."""
    with small():
        window, feed, promise = IdWindow(WINDOW_MS), dict[int, bytes](), Promise()
        true_ms, offset, wrong_ms = START_MS, 0, 0
        for step in steps:
            stamps = []
            for record in step.records:
                true_ms += record.passed_ms
                stamps.append(record.stamp_ms(true_ms))
            wall_ms = true_ms + wrong_ms
            hashes = np.array([hash_id(str(record.id)) for record in step.records], np.uint64)
            found = window.find_duplicates(hashes, stamps, offset, now_ms=wall_ms)
            promise.batch(stamps, wall_ms)
            for place, record in enumerate(step.records):
                promise.judge(record.id, stamps[place], true_ms, wall_ms, found=place in found)
            offset += len(hashes)
            if step.then != "go on":
                for first, value in window.changes().items():
                    if value is None:
                        del feed[first]
                    else:
                        feed[first] = value
                assert len(feed) == window.chunks
            if step.then.startswith("restart"):
                clocks = () if step.then.endswith("clocks") else (window.clock_ms, window.elapsed_ms)
                window, wrong_ms = IdWindow(WINDOW_MS), step.wall_ms
                for first in sorted(feed, key=lambda first: -first if len(feed) % 2 else first):
                    window.restore(first, feed[first])
                window.restored(*clocks)


@examples(400)
@given(anything | replays | mixtures)
@example(AN_OLD_ID_THEN_TODAY)
@example(NEW_AFTER_A_TIME_FAR_AHEAD)
@example(FAR_AHEAD_IN_A_CHUNK_THAT_IS_KEPT)
def test_the_rule_holds_through_settling_checkpoints_and_restarts(steps: list[Batch]) -> None:
    play(steps)


hashes = st.integers(0, 2**64 - 1)
times = st.integers(START_MS, START_MS + 2**32) | st.sampled_from([-LAST_MS, -1, 0, LAST_MS])


generations = st.integers(0, 50)


def arrays(part: dict[int, tuple[int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ascending hashes, and the times and generations of each."""
    keys = sorted(part)
    columns = [np.array([part[key][place] for key in keys], np.int64) for place in (0, 1)]
    return np.array(keys, np.uint64), columns[0], columns[1]


@given(
    st.lists(
        st.tuples(
            st.dictionaries(hashes, st.tuples(times, generations), max_size=20),
            st.integers(START_MS - 1, START_MS + 2**32),
            st.integers(0, 2**32),
            st.integers(0, 10),
            st.booleans(),
        ),
        max_size=6,
    ),
    hashes,
)
@example(
    [({0: (START_MS, 1)}, START_MS - 1, 0, 0, False), ({0: (START_MS, 0)}, START_MS - 1, 0, 1, False)], 0
)
def test_sorted_ids_are_a_dict_that_drops_what_is_not_held(
    parts: list[tuple[dict[int, tuple[int, int]], int, int, int, bool]], other: int
) -> None:
    with small():
        ids, plain, first = SortedIds(), dict[int, tuple[int, int]](), 0
        for part, from_ms, span_ms, passed, apart in parts:
            first += passed
            held = Held(from_ms, from_ms + span_ms, first)
            if apart:
                more = SortedIds()
                more.merge(*arrays(part), Held(-LAST_MS, LAST_MS, 0))
                ids.absorb(more, held)
            else:
                ids.merge(*arrays(part), held)
                ids.absorb(SortedIds(), held)
            old, new = (
                {
                    hashed: (ms, generation)
                    for hashed, (ms, generation) in those.items()
                    if generation >= first or from_ms <= ms <= from_ms + span_ms
                }
                for those in (plain, part)
            )
            plain = old | new
            stamps = {hashed: ms for hashed, (ms, _) in plain.items()}
            needles = np.array(sorted({*part, *plain, other}), np.uint64)
            assert dict(ids.find(needles)) == stamps
            assert len(ids) == len(plain)
            kept = zip(ids._hashes.tolist(), sorted_ids._times_of(ids._words).tolist(), strict=True)
            assert dict(kept) == stamps


@given(
    st.lists(st.tuples(hashes, st.integers(-(2**50), 2**50)), min_size=1, max_size=50),
    st.integers(-(2**60), 2**60),
    st.none() | st.integers(0, 2**50),
)
def test_chunks_round_trip(ids: list[tuple[int, int]], until: int, came: int | None) -> None:
    made = Made(7, until, came)
    packed = pack(Ids(np.array([i for i, _ in ids], np.uint64), np.array([m for _, m in ids])), made)
    read, read_made = unpack(packed)
    assert list(zip(read.hashes.tolist(), read.ms.tolist(), strict=True)) == ids
    assert read_made == made
