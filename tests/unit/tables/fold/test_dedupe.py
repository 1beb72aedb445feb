"""The id window: the rule at its edges, absurd timestamps, and how few records and bytes it needs."""

from __future__ import annotations

import random
import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest

from tables.fold.dedupe import duplicates
from tables.fold.dedupe.chunks import CHUNK_BYTES, Ids, Made, pack
from tables.fold.dedupe.duplicates import SLACK_MS, IdWindow
from tests.support.dedupe import hash_id

T0 = 1_790_000_000_000
WINDOW_MS = 3_600_000


def seen(window: IdWindow, event_id: str, stamp_ms: int, now_ms: int = T0 + 10**9) -> bool:
    """Whether a record is a duplicate."""
    return bool(window.find_duplicates(np.array([hash_id(event_id)], np.uint64), [stamp_ms], 2, now_ms))


def test_the_window_counts_from_the_first_occurrence_and_begins_anew_after_it() -> None:
    window = IdWindow(WINDOW_MS)
    assert not seen(window, "a", T0)
    assert seen(window, "a", T0 + WINDOW_MS - 1)
    assert seen(window, "a", T0 + WINDOW_MS)
    assert not seen(window, "a", T0 + WINDOW_MS + 1)
    assert seen(window, "a", T0 + 2 * WINDOW_MS + 1)
    assert not seen(window, "a", T0 + 2 * WINDOW_MS + 2)


def test_an_earlier_timestamp_is_a_duplicate_too() -> None:
    window = IdWindow(0)
    assert not seen(window, "a", T0)
    assert seen(window, "a", T0)
    assert seen(window, "a", T0 - 1000)
    assert not seen(window, "a", T0 + 1)


class Restarts:
    """A window and its feed. `restart`: another process goes on with what the feed has, if `really`."""

    def __init__(self, *, really: bool, clocks: bool = True) -> None:
        self.window = IdWindow(WINDOW_MS)
        self.now_ms = T0 + 10**9
        self._really, self._clocks = really, clocks
        self._feed: dict[int, bytes] = {}
        self._offset = 0

    def seen(self, *ids_and_stamps: tuple[str, int]) -> list[bool]:
        """Which records of a batch are duplicates."""
        hashes = np.array([hash_id(event_id) for event_id, _ in ids_and_stamps], np.uint64)
        stamps = [stamp for _, stamp in ids_and_stamps]
        repeated = self.window.find_duplicates(hashes, stamps, self._offset, self.now_ms)
        self._offset += len(hashes)
        return [place in repeated for place in range(len(hashes))]

    def write(self) -> None:
        """A checkpoint."""
        for first_offset, chunk in self.window.changes().items():
            if chunk is None:
                del self._feed[first_offset]
            else:
                self._feed[first_offset] = chunk

    def restart(self) -> None:
        self.write()
        if self._really:
            clocks = (self.window.clock_ms, self.window.elapsed_ms) if self._clocks else ()
            self.window = IdWindow(WINDOW_MS)
            for first_offset, chunk in self._feed.items():
                self.window.restore(first_offset, chunk)
            self.window.restored(*clocks)

    def pass_minutes(self, minutes: int) -> None:
        """Time goes by, with nothing new and no move of the partition's clock."""
        for _ in range(minutes):
            self.now_ms += 60_000
            self.seen(("tick", 1))


@pytest.mark.parametrize("really", [False, True])
def test_what_only_came_again_moves_the_clock_through_a_restart(really: bool) -> None:
    way = Restarts(really=really)
    assert way.seen(("a", T0)) == [False]
    way.restart()
    assert way.seen(("a", T0 + WINDOW_MS - 10_000)) == [True]
    way.restart()
    behind_ms = T0 + WINDOW_MS - 900_000
    assert way.seen(("b", behind_ms)) == [False]
    way.restart()
    assert way.seen(("c", T0 + 2 * WINDOW_MS - 11_000)) == [False]
    way.restart()
    assert way.seen(("b", behind_ms + WINDOW_MS)) == [True]


@pytest.mark.parametrize("really", [False, True])
@pytest.mark.parametrize("far_ms", [2 * 86_400_000, 60 * 86_400_000, 1000 * T0, (1 << 63) - 1 - T0])
def test_timestamps_far_ahead_are_judged_as_they_are(far_ms: int, really: bool) -> None:
    way = Restarts(really=really)
    assert way.seen(("live", T0), ("far", T0 + far_ms), ("live2", T0)) == [False] * 3
    way.restart()
    assert way.seen(("live3", T0 + 70_000), ("far", T0 + far_ms), ("live4", T0 + 70_000)) == [
        False,
        True,
        False,
    ]
    way.restart()
    assert way.seen(("live5", T0 + WINDOW_MS)) == [False]
    assert way.seen(("far", T0 + far_ms)) == [True]


@pytest.mark.parametrize("really", [False, True])
def test_one_old_record_at_the_end_of_a_batch_does_not_date_the_others(really: bool) -> None:
    way = Restarts(really=really)
    assert way.seen(("new", T0), ("old", T0 - 60 * 86_400_000)) == [False, False]
    way.restart()
    assert way.seen(("new", T0 + WINDOW_MS)) == [True]


@pytest.mark.parametrize("with_restart", [False, True])
def test_what_came_long_after_its_timestamp_is_known_when_it_comes_again(with_restart: bool) -> None:
    way, old_ms = Restarts(really=with_restart), T0 - 10 * WINDOW_MS
    assert way.seen(("live", T0)) == [False]
    assert way.seen(("old", old_ms)) == [False]
    assert way.seen(("live2", T0 + 120_000)) == [False]
    way.restart()
    assert way.seen(("old", old_ms)) == [True]
    assert way.seen(("old", old_ms + WINDOW_MS)) == [True]
    assert way.seen(("old", old_ms + WINDOW_MS + 1)) == [False]


OLD_MS = T0 - 730 * 86_400_000
HOW = pytest.mark.parametrize(("really", "clocks"), [(False, True), (True, True), (True, False)])


@HOW
@pytest.mark.parametrize("first", ["old", "new"])
def test_a_clock_that_begins_in_the_past_and_jumps_forgets_nothing(
    first: str, really: bool, clocks: bool
) -> None:
    way = Restarts(really=really, clocks=clocks)
    old, new = ("old", OLD_MS), ("new", T0)
    assert way.seen(old if first == "old" else new) == [False]
    way.restart()
    assert way.seen(new if first == "old" else old) == [False]
    way.restart()
    assert way.seen(new, old, new) == [True, True, True]
    way.restart()
    assert way.seen(old, new, old) == [True, True, True]


@HOW
def test_a_replay_of_two_years_with_its_own_times_counts_once(really: bool, clocks: bool) -> None:
    way = Restarts(really=really, clocks=clocks)
    replay = [(f"r{number}", OLD_MS + number * 63_072_000) for number in range(1000)]
    for copy in (replay, replay, replay[::-1]):
        again = way.window.clock_ms is not None
        for start in range(0, 1000, 40):
            assert way.seen(*copy[start : start + 40]) == [again] * 40
            way.restart()
            way.now_ms += 30_000


@HOW
def test_a_retry_from_before_a_night_without_records_is_known(really: bool, clocks: bool) -> None:
    way = Restarts(really=really, clocks=clocks)
    evening, morning = T0 - 12 * 3_600_000, T0
    assert way.seen(("a", evening), ("b", evening + 1)) == [False, False]
    way.restart()
    assert way.seen(("c", morning), ("d", morning)) == [False, False]
    way.restart()
    assert way.seen(("a", evening), ("c", morning)) == [True, True]
    way.restart()
    assert way.seen(("b", evening + 1 + WINDOW_MS), ("b", evening + 2 + WINDOW_MS)) == [True, False]


@HOW
def test_what_came_is_held_for_its_window_however_its_chunks_were_merged(really: bool, clocks: bool) -> None:
    way = Restarts(really=really, clocks=clocks)
    for number in range(55):
        assert way.seen((f"old-{number}", OLD_MS + number)) == [False]
        way.restart()
        way.pass_minutes(1)
    assert way.seen(("live", way.now_ms)) == [False]
    way.restart()
    assert way.window.chunks < 20
    way.pass_minutes(4)
    way.restart()
    assert way.seen(*((f"old-{number}", OLD_MS + number) for number in range(55))) == [True] * 55
    way.pass_minutes(54)
    way.restart()
    assert way.seen(("old-54", OLD_MS + 54)) == [True]


def test_a_merged_chunk_is_kept_for_the_last_of_its_ids() -> None:
    way = Restarts(really=True)
    for number in range(16):
        assert way.seen((f"old-{number}", OLD_MS + number)) == [False]
        way.write()
        way.pass_minutes(1)
    assert way.window.chunks == 1
    assert way.seen(("live", way.now_ms)) == [False]
    for _ in range(58):
        way.pass_minutes(1)
        way.write()
    way.restart()
    assert way.seen(("old-15", OLD_MS + 15)) == [True]


@HOW
def test_what_is_stamped_ahead_is_held_until_its_own_time_is_over(really: bool, clocks: bool) -> None:
    way = Restarts(really=really, clocks=clocks)
    way.now_ms = T0
    ahead_ms = T0 + SLACK_MS
    assert way.seen(("live", T0), ("ahead", ahead_ms), ("live2", T0)) == [False] * 3
    way.restart()
    way.pass_minutes(69)
    assert way.seen(("live3", way.now_ms)) == [False]
    way.restart()
    way.pass_minutes(1)
    assert way.seen(("live4", way.now_ms), ("ahead", ahead_ms + WINDOW_MS)) == [False, True]


@pytest.mark.parametrize("wrong_ms", [-(10**9), -300_000, 240_000, 10**9])
def test_the_wall_clocks_of_workers_do_not_matter(wrong_ms: int) -> None:
    way, right = Restarts(really=True), True
    assert way.seen(("old", OLD_MS), ("live", T0)) == [False, False]
    for _ in range(3):
        way.restart()
        way.now_ms += wrong_ms if right else -wrong_ms
        right = not right
        way.pass_minutes(19)
    assert way.seen(("old", OLD_MS), ("live", T0)) == [True, True]


@pytest.mark.parametrize("wrong_ms", [-(10**9), -300_000, 240_000, 10**9])
def test_a_wall_clock_that_is_set_while_it_runs_forgets_nothing(wrong_ms: int) -> None:
    way = Restarts(really=False)
    assert way.seen(("old", OLD_MS), ("live", T0)) == [False, False]
    for sign in (1, -1, 1):
        way.now_ms += sign * wrong_ms
        way.pass_minutes(19)
    assert way.seen(("old", OLD_MS), ("live", T0)) == [True, True]


@pytest.mark.parametrize("really", [False, True])
def test_only_the_last_of_so_many_are_held_beyond_their_time(really: bool) -> None:
    with patch.multiple(duplicates, HELD_IDS=1000, _RECENT_IDS=50, _WARM_IDS=100):
        way = Restarts(really=really)
        for start in range(0, 5000, 100):
            batch = [(f"r{number}", OLD_MS + number * 10**7) for number in range(start, start + 100)]
            assert way.seen(*batch) == [False] * 100
            way.restart()
        assert (
            way.seen(*((f"r{number}", OLD_MS + number * 10**7) for number in range(4000, 5000)))
            == [True] * 1000
        )
        assert 1000 <= len(way.window) <= 1600


def test_what_an_earlier_release_wrote_is_held_as_if_it_had_just_come() -> None:
    ids = Ids(np.array([hash_id("a"), hash_id("b")], np.uint64), np.array([OLD_MS, OLD_MS + 1], np.int64))
    chunk = pack(ids, Made(OLD_MS, OLD_MS + WINDOW_MS + SLACK_MS, None))
    assert len(chunk) == 32 + 2 * 12
    window, now_ms = IdWindow(WINDOW_MS), T0
    window.restore(0, chunk)
    window.restored(OLD_MS)
    assert seen(window, "a", OLD_MS, now_ms)
    assert not seen(window, "live", T0, now_ms)
    for minute in range(60):
        assert seen(window, "b", OLD_MS + 1, now_ms + minute * 60_000)
    assert window.changes().keys() == {2}
    for minute in range(60, 67):
        assert not seen(window, f"live-{minute}", T0, now_ms + minute * 60_000)
    changes = window.changes()
    assert changes.pop(0) is None
    assert all(changes.values())
    assert not seen(window, "b", OLD_MS + 1, now_ms + 68 * 60_000)


@pytest.mark.parametrize("stamp_ms", [-1, 0, OLD_MS, T0 + 10**12])
def test_ids_that_are_not_held_by_their_timestamps_are_forgotten_in_the_end(stamp_ms: int) -> None:
    way = Restarts(really=False)
    way.seen(("live", T0))
    for hour in range(10):
        for number in range(20):
            assert way.seen((f"{hour}:{number}", stamp_ms)) == [False]
        way.pass_minutes(60)
        way.seen((f"live-{hour}", T0 + hour * WINDOW_MS))
        way.window.changes()
    assert len(way.window) <= 3 * 20
    assert way.window.chunks <= 4


def test_old_records_at_the_ends_of_all_batches_do_not_stop_the_clock() -> None:
    with patch.multiple(duplicates, _STUCK_BATCHES=10):
        way = Restarts(really=False)
        for minute in range(300):
            way.now_ms = T0 + minute * 60_000
            way.seen((f"first-{minute}", OLD_MS), (f"live-{minute}", way.now_ms), (f"last-{minute}", OLD_MS))
        assert way.window.clock_ms == T0 + 290 * 60_000
        assert len(way.window) < 3 * 2 * 85


def test_duplicates_inside_a_batch_are_caught_in_order() -> None:
    window = IdWindow(WINDOW_MS)
    hashes = np.array([hash_id(event_id) for event_id in ("a", "b", "a", "a")], np.uint64)
    assert window.find_duplicates(hashes, [T0, T0, T0 + 1, T0 + WINDOW_MS + 1], 0, T0) == [2]


@pytest.mark.parametrize("absurd_ms", [T0 + 10**12, 2**62, 0, -1])
def test_an_absurd_timestamp_does_not_make_it_forget(absurd_ms: int) -> None:
    window = IdWindow(WINDOW_MS)
    now_ms = T0 + 1000
    assert not seen(window, "a", T0, now_ms)
    assert not seen(window, "absurd", absurd_ms, now_ms)
    for minute in range(1, 59):
        assert not seen(window, f"m{minute}", T0 + minute * 60_000, now_ms + minute * 60_000)
    assert seen(window, "a", T0 + WINDOW_MS, now_ms + WINDOW_MS)


def test_what_no_one_needs_is_forgotten_and_deleted_from_the_feed() -> None:
    window, live = IdWindow(WINDOW_MS), set[int]()
    for minute in range(200):
        stamp = T0 + minute * 60_000
        window.find_duplicates(
            np.array([hash_id(f"{minute}:{n}") for n in range(10)], np.uint64),
            [stamp] * 10,
            minute * 10,
            stamp,
        )
        for first_offset, value in window.changes().items():
            if value is None:
                live.remove(first_offset)
            else:
                live.add(first_offset)
        assert len(live) == window.chunks
    kept = (WINDOW_MS + SLACK_MS) // 60_000
    # A merged chunk stays until the newest of its ids has expired; packed ids are dropped now and then.
    assert kept * 10 <= len(window) <= (kept + 8) * 10
    assert window.chunks <= 2 * 16


def test_an_hour_of_ids_is_few_chunks_none_too_large() -> None:
    window, live = IdWindow(WINDOW_MS), dict[int, int]()
    draw, written = random.Random(1), 0
    for interval in range(6000):
        stamp, size = T0 + interval * 600, draw.randrange(60, 90)
        window.find_duplicates(
            np.array([draw.getrandbits(64) for _ in range(size)], np.uint64),
            [stamp] * size,
            interval * 100,
            stamp,
        )
        for first_offset, value in window.changes().items():
            written += len(value or b"")
            if value is None:
                del live[first_offset]
            else:
                live[first_offset] = len(value)
    assert len(live) == window.chunks <= 60
    assert max(live.values()) <= CHUNK_BYTES
    assert written <= 5 * 12 * 6000 * 75


def test_a_flood_in_one_interval_is_split() -> None:
    window = IdWindow(WINDOW_MS)
    count = 100_000
    window.find_duplicates(np.arange(count, dtype=np.uint64), [T0] * count, 500, T0)
    chunks = window.changes()
    assert len(chunks) == 3
    assert all(value is not None and len(value) <= CHUNK_BYTES for value in chunks.values())
    again = IdWindow(WINDOW_MS)
    for first_offset, value in chunks.items():
        again.restore(first_offset, value)
    again.restored()
    assert (
        len(again.find_duplicates(np.arange(count, dtype=np.uint64), [T0 + 5] * count, 100_500, T0)) == count
    )


@pytest.mark.parametrize("between_ms", [3, 105_000])
def test_an_id_older_than_a_minute_takes_at_most_20_bytes(between_ms: int) -> None:
    """Live, and in a replay of two years that is read within an hour."""
    draw, count = random.Random(2), 600_000
    # Not among the numbers measured: what the test itself makes.
    batches = [np.array([draw.getrandbits(64) for _ in range(1000)], np.uint64) for _ in range(count // 1000)]
    window = IdWindow(WINDOW_MS)
    tracemalloc.start()
    for number, batch in enumerate(batches):
        stamp = T0 + number * 1000 * between_ms
        window.find_duplicates(batch, [stamp] * 1000, number * 1000, T0 + 10**11 + number * 3000)
        window.changes()
    for minute in (1, *[2] * 60):  # packs the last minute's, and merges it
        now_ms = T0 + 10**11 + number * 3000 + minute * 61_000
        window.find_duplicates(
            np.array([minute], np.uint64), [stamp + minute * 61_000], count + minute, now_ms
        )
    window.changes()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(window) == count + 2
    assert held / count <= 20


def test_ids_are_known_by_xxh3() -> None:
    # In the feed's format: it may not change with a release of xxhash or of ours.
    assert hash_id("evt-1") == 0x517F7D200D98F32F
    assert hash_id("") == 0x2D06800538D394C2
