"""The commit protocol, one situation at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from agents import backoff
from agents.bronze.commit import Built, Committer, Resume
from agents.bronze.files import CorruptFileError, commit_path, decode_commit, encode, intent_path
from agents.bronze.range import BuiltObject
from agents.bronze.store import StoreError
from agents.sink import OvertakenError
from streams.store.bronze_verify import verify
from tests.support.bronze import MemoryStore, nothing

TOPIC = "t"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.0)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


class Writer(Committer):
    """A committer that keeps what it told of failures."""

    def __init__(self, store: MemoryStore, nonce: str = "me") -> None:
        self.failures: list[str] = []
        super().__init__(store, TOPIC, 0, nonce, lambda operation, *_: self.failures.append(operation))


def a_range(first: int, after: int, text: bytes = b"x", lost: tuple[int, int] | None = None) -> Built:
    name = f"{TOPIC}+0+{first:020d}-{after - 1:020d}.ndjson.gz"
    return Built(
        first, after, lost, [BuiltObject(f"event=a/{name}", 1, text), BuiltObject(f"event=b/{name}", 2, text)]
    )


def once(wanted: str, path_part: str, times: int = 1) -> Callable[[str, str], None]:
    left = [times]

    def fail(operation: str, path: str) -> None:
        if operation == wanted and path_part in path and left[0] > 0:
            left[0] -= 1
            raise StoreError("made to fail")

    return fail


def committed(store: MemoryStore, first: int) -> list[str]:
    path = commit_path(TOPIC, 0, first)
    return [entry.path for entry in decode_commit(path, store.files[path].data).objects]


async def test_a_range_is_intent_then_objects_then_commit(store: MemoryStore) -> None:
    order: list[str] = []
    store.after = lambda _, path: order.append(path.split("/")[0])
    commit = await Writer(store).commit(a_range(0, 5))
    assert order == ["_intents", "event=a", "event=b", "_intents", "_commits"]
    assert (commit.first, commit.last, commit.next, commit.lost) == (0, 4, 5, None)
    assert await Writer(store).resume(None) == Resume(5, None)


@pytest.mark.parametrize("hint", [None, (5, 9), (0, 5), (0, 9), (7, 9), (999, 1000), (5, 5)])
async def test_the_hint_may_be_wrong_in_every_way(store: MemoryStore, hint: tuple[int, int] | None) -> None:
    for first, after in ((0, 5), (5, 9), (9, 12)):
        await Writer(store).commit(a_range(first, after))
    assert (await Writer(store).resume(hint)).next == 12


async def test_a_right_hint_spares_the_listing_of_what_is_before(store: MemoryStore) -> None:
    for first in range(20):
        await Writer(store).commit(a_range(first, first + 1))
    assert (await Writer(store).resume((19, 20))).next == 20
    assert store.listed_after == [commit_path(TOPIC, 0, 19)]


@pytest.mark.parametrize("part", ["_intents", "event=a", "_commits"])
async def test_a_lost_answer_is_a_success(store: MemoryStore, part: str) -> None:
    store.after = once("create", part)
    writer = Writer(store)
    await writer.commit(a_range(0, 5))
    assert writer.failures == ["put"]
    assert committed(store, 0) == [made.path for made in a_range(0, 5).objects]


@pytest.mark.parametrize("part", ["_intents", "event=a", "_commits"])
async def test_what_fails_is_tried_again_and_told(store: MemoryStore, part: str) -> None:
    store.before = once("create", part, times=3)
    writer = Writer(store)
    await writer.commit(a_range(0, 5))
    assert writer.failures == ["put"] * 3
    assert (await verify(store)).problems != []  # these objects are no gzip files, but all is listed
    assert len(committed(store, 0)) == 2


async def test_what_fails_of_many_is_tried_again_alone(store: MemoryStore) -> None:
    tried: list[str] = []
    store.after = lambda operation, path: tried.append(path) if operation == "create" else None
    store.before = once("create", "event=b", times=2)
    writer = Writer(store)
    await writer.commit(a_range(0, 5))
    assert writer.failures == ["put", "put"]
    assert sum("event=a" in path for path in tried) == 1
    assert committed(store, 0) == [made.path for made in a_range(0, 5).objects]


async def begun(store: MemoryStore, made: Built, until: str) -> None:
    """A writer that dies when it comes to `until`."""

    def die(operation: str, path: str) -> None:
        if operation == "create" and path.startswith(until):
            raise asyncio.CancelledError

    store.before = die
    with pytest.raises(asyncio.CancelledError):
        await Writer(store, "dead").commit(made)
    store.before = nothing


async def test_a_dead_writers_range_is_taken_over(store: MemoryStore) -> None:
    await begun(store, a_range(0, 5), "event=b")
    resume = await Writer(store).resume(None)
    assert resume.next is None
    assert resume.intent is not None
    assert (resume.intent.first, resume.intent.next) == (0, 5)
    with pytest.raises(OvertakenError):  # another end would leave its objects behind
        await Writer(store).commit(a_range(0, 7))
    await Writer(store).commit(a_range(0, 5))
    assert committed(store, 0) == [made.path for made in a_range(0, 5).objects]


async def test_a_dead_writers_whole_range_is_committed_without_reading_it_again(store: MemoryStore) -> None:
    await Writer(store).commit(a_range(0, 5))
    await begun(store, a_range(5, 9), "_commits")
    assert await Writer(store).resume(None) == Resume(9, None)


async def test_other_bytes_replace_the_intent_and_the_objects(store: MemoryStore) -> None:
    await begun(store, a_range(0, 5, b"old"), "event=b")
    await Writer(store).commit(a_range(0, 5, b"new"))
    assert {found.data for path, found in store.files.items() if path.startswith("event=")} == {b"new"}
    assert committed(store, 0) == [made.path for made in a_range(0, 5).objects]


async def test_objects_that_are_not_in_the_new_intent_are_removed(store: MemoryStore) -> None:
    await begun(store, a_range(0, 5, b"old"), "event=b")
    await Writer(store).commit(a_range(0, 5, b"new")._replace(objects=a_range(0, 5, b"new").objects[1:]))
    assert a_range(0, 5).objects[0].path not in store.files


async def test_a_sealed_intent_is_committed_not_replaced(store: MemoryStore) -> None:
    await begun(store, a_range(0, 5, b"old"), "_commits")
    with pytest.raises(OvertakenError):
        await Writer(store).commit(a_range(0, 5, b"new"))
    assert {found.data for path, found in store.files.items() if path.startswith("event=")} == {b"old"}
    assert await Writer(store).resume(None) == Resume(5, None)


async def test_an_intent_whose_records_are_gone_is_replaced(store: MemoryStore) -> None:
    await begun(store, a_range(0, 5), "event=b")
    await Writer(store).commit(a_range(0, 12, lost=(0, 9)))
    path = commit_path(TOPIC, 0, 0)
    assert decode_commit(path, store.files[path].data).lost == (0, 9)
    assert a_range(0, 5).objects[0].path not in store.files


async def test_the_second_of_two_writers_is_overtaken(store: MemoryStore) -> None:
    await Writer(store, "first").commit(a_range(0, 5))
    with pytest.raises(OvertakenError):
        await Writer(store).commit(a_range(0, 7))
    with pytest.raises(OvertakenError):
        await Writer(store).commit(a_range(0, 5, b"other"))
    await Writer(store).commit(a_range(0, 5))  # the very same is no harm


async def test_a_writer_that_wakes_up_does_not_write_over_the_new_owners_objects(store: MemoryStore) -> None:
    woken, go_on = asyncio.Event(), asyncio.Event()
    sleeper = Writer(store, "sleeper")
    real = store.create

    async def create(path: str, data: bytes) -> None:
        if data == b"old" and path.startswith("event=a"):
            woken.set()
            await go_on.wait()
        await real(path, data)

    store.create = create  # type: ignore[method-assign]
    asleep = asyncio.create_task(sleeper.commit(a_range(0, 5, b"old")))
    await woken.wait()
    await Writer(store, "new").commit(a_range(0, 5, b"new"))
    go_on.set()
    with pytest.raises(OvertakenError):
        await asleep
    assert {found.data for path, found in store.files.items() if path.startswith("event=")} == {b"new"}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"nonsense", b"[]", b'{"first":5}', b'{"first":6,"last":8,"next":9,"objects":[]}',
        b'{"first":5,"last":8,"next":7,"objects":[]}',
        b'{"first":5,"last":8,"next":9,"objects":[],"lost":[6,7]}',
    ],
)  # fmt: skip
async def test_a_corrupt_commit_is_named_and_not_skipped(store: MemoryStore, data: bytes) -> None:
    await Writer(store).commit(a_range(0, 5))
    await store.create(commit_path(TOPIC, 0, 5), data)
    for hint in (None, (0, 5), (5, 9)):
        with pytest.raises(CorruptFileError, match=commit_path(TOPIC, 0, 5)):
            await Writer(store).resume(hint)
    with pytest.raises(CorruptFileError, match=commit_path(TOPIC, 0, 5)):
        await Writer(store).commit(a_range(5, 9))


async def test_a_corrupt_intent_is_named(store: MemoryStore) -> None:
    await store.create(intent_path(TOPIC, 0, 0), b"?")
    with pytest.raises(CorruptFileError, match=intent_path(TOPIC, 0, 0)):
        await Writer(store).resume(None)


async def test_commits_are_read_as_they_are_written(store: MemoryStore) -> None:
    commit = await Writer(store).commit(a_range(3, 9, lost=(3, 7)))
    path = commit_path(TOPIC, 0, 3)
    assert store.files[path].data == encode(commit)
    assert decode_commit(path, encode(commit)) == commit


class KilledError(Exception):
    """Ends a writer where it is."""


def stopped_at(wanted: str, path_part: str) -> Callable[[str, str], None]:
    def stop(operation: str, path: str) -> None:
        if operation == wanted and path_part in path:
            raise KilledError

    return stop


def laid_down(folder: str) -> Built:
    name = f"{TOPIC}+0+{0:020d}-{4:020d}.ndjson.gz"
    return Built(0, 5, None, [BuiltObject(f"event=search.click/dt=2026-03-01/{folder}{name}", 5, b"x")])


@pytest.mark.parametrize(
    "folders",
    [("", "city=rome/"), ("city=rome/", ""), ("city=__none__/", "city=__HIVE_DEFAULT_PARTITION__/")],
)
async def test_a_range_begun_in_another_layout_is_not_taken_over_in_ours(
    store: MemoryStore, folders: tuple[str, str]
) -> None:
    theirs, ours = map(laid_down, folders)
    store.before = stopped_at("create", "event=")
    with pytest.raises(KilledError):
        await Writer(store, "first").commit(theirs)
    store.before = nothing
    with pytest.raises(OvertakenError):
        await Writer(store, "second").commit(ours)
    await Writer(store, "second").commit(theirs)
    assert committed(store, 0) == [theirs.objects[0].path]
    assert [path for path in store.files if path.startswith("event=")] == [theirs.objects[0].path]
