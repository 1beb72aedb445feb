"""The id window: the rule at its edges, absurd timestamps, and how few records and bytes it needs."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from tables.dedupe import SLACK_MS, IdWindow, hash_id
from tables.id_chunks import CHUNK_BYTES

T0 = 1_790_000_000_000
WINDOW_MS = 3_600_000


def seen(window: IdWindow, event_id: str, stamp_ms: int, now_ms: int = T0 + 10**9) -> bool:
    """Whether a record is a duplicate."""
    return bool(window.judge([hash_id(event_id)], [stamp_ms], 0, now_ms))


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
    """A window and its feed. `restart`: another process goes on with what the feed has."""

    def __init__(self, *, really: bool) -> None:
        self.window = IdWindow(WINDOW_MS)
        self._really = really
        self._feed: dict[int, bytes] = {}
        self._offset = 0

    def seen(self, *ids_and_stamps: tuple[str, int]) -> list[bool]:
        """Which records of a batch are duplicates."""
        hashes = [hash_id(event_id) for event_id, _ in ids_and_stamps]
        stamps = [stamp for _, stamp in ids_and_stamps]
        repeated = self.window.judge(hashes, stamps, self._offset, T0 + 10**9)
        self._offset += len(hashes)
        return [place in repeated for place in range(len(hashes))]

    def restart(self) -> None:
        for first_offset, chunk in self.window.changes().items():
            if chunk is None:
                del self._feed[first_offset]
            else:
                self._feed[first_offset] = chunk
        if self._really:
            clock_ms, self.window = self.window.clock_ms, IdWindow(WINDOW_MS)
            for first_offset, chunk in self._feed.items():
                self.window.restore(first_offset, chunk)
            self.window.restored(clock_ms)


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


def test_ids_that_came_long_after_their_timestamps_are_forgotten_in_the_end() -> None:
    window = IdWindow(WINDOW_MS)
    for number in range(10):
        seen(window, f"old-{number}", T0 - 10 * WINDOW_MS)
        for _ in range(3):
            seen(window, f"live-{number}", T0 + number * (WINDOW_MS + SLACK_MS + 120_000))
    assert len(window) < 10


def test_duplicates_inside_a_batch_are_caught_in_order() -> None:
    window = IdWindow(WINDOW_MS)
    hashes = [hash_id(event_id) for event_id in ("a", "b", "a", "a")]
    assert window.judge(hashes, [T0, T0, T0 + 1, T0 + WINDOW_MS + 1], 0, T0) == [2]


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
        window.judge([hash_id(f"{minute}:{n}") for n in range(10)], [stamp] * 10, minute * 10, stamp)
        for first_offset, value in window.changes().items():
            if value is None:
                live.remove(first_offset)
            else:
                live.add(first_offset)
        assert len(live) == window.chunks
    kept = (WINDOW_MS + SLACK_MS) // 60_000
    # A merged chunk stays until the newest of its ids has expired.
    assert kept * 10 <= len(window) <= (kept + 3) * 10
    assert window.chunks <= 2 * 16


def test_an_hour_of_ids_is_few_chunks_none_too_large() -> None:
    window, live = IdWindow(WINDOW_MS), dict[int, int]()
    draw, written = random.Random(1), 0
    for interval in range(6000):
        stamp, size = T0 + interval * 600, draw.randrange(60, 90)
        window.judge([draw.getrandbits(64) for _ in range(size)], [stamp] * size, interval * 100, stamp)
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
    window.judge(list(range(count)), [T0] * count, 500, T0)
    chunks = window.changes()
    assert len(chunks) == 3
    assert all(value is not None and len(value) <= CHUNK_BYTES for value in chunks.values())
    again = IdWindow(WINDOW_MS)
    for first_offset, value in chunks.items():
        again.restore(first_offset, value)
    again.restored()
    assert len(again.judge(list(range(count)), [T0 + 5] * count, 100_500, T0)) == count


def test_an_id_older_than_a_minute_takes_at_most_20_bytes() -> None:
    draw, count = random.Random(2), 600_000
    # Not among the numbers measured: what the test itself makes.
    batches = [[draw.getrandbits(64) for _ in range(1000)] for _ in range(count // 1000)]
    window = IdWindow(WINDOW_MS)
    tracemalloc.start()
    for number, batch in enumerate(batches):
        stamp = T0 + number * 3000
        window.judge(batch, [stamp] * 1000, number * 1000, stamp)
        window.changes()
    for minute in (1, 2):  # packs the last minute's
        window.judge([minute], [stamp + minute * 61_000], count + minute, stamp + minute * 61_000)
    window.changes()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(window) == count + 2
    assert held / count <= 20


def test_ids_are_known_by_xxh3() -> None:
    # In the feed's format: it may not change with a release of xxhash or of ours.
    assert hash_id("evt-1") == 0x517F7D200D98F32F
    assert hash_id("") == 0x2D06800538D394C2
