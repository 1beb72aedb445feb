"""What `verify` finds wrong, one thing at a time, and that one problem does not hide the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from agents.bronze.commit import Built, Committer
from agents.bronze.files import commit_path, intent_path
from agents.bronze.range import BuiltObject
from agents.bronze.store import Found, StoreError
from streams.store import pending_ranges
from streams.store.bronze_verify import Verdict, uncommitted, verify
from tests.support.bronze import MemoryStore, built, nothing, records
from tests.support.events import click, declined

TOPIC = "events.raw"
COMMITS = [commit_path(TOPIC, 0, first) for first in (0, 2, 4)]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_ranges, "LOOK_SECONDS", 0.0)


async def write(store: MemoryStore, made: Built) -> None:
    await Committer(store, TOPIC, 0, "writer", lambda *_: None).commit(made)


@pytest.fixture
async def store() -> MemoryStore:
    """Three ranges of two events."""
    made = MemoryStore()
    for first in (0, 2, 4):
        await write(made, built(records(click(first), declined(first + 1), first=first), first))
    assert (await verify(made)).problems == []
    return made


def found(verdict: Verdict) -> list[tuple[str, str]]:
    return [(problem.kind, problem.path) for problem in verdict.problems]


def put(store: MemoryStore, path: str, data: bytes) -> None:
    store.files[path] = Found(data, "another")


@pytest.mark.parametrize("gone", [COMMITS[2:], COMMITS[1:], COMMITS])
async def test_the_newest_commits_cannot_vanish_unseen(store: MemoryStore, gone: list[str]) -> None:
    for path in gone:
        del store.files[path]
    verdict = await verify(store)
    assert found(verdict) == [("missing", path) for path in gone]
    assert verdict.unfinished == 0
    assert [(problem.kind, problem.path) for problem in await uncommitted(store)] == found(verdict)
    await Committer(store, TOPIC, 0, "next", lambda *_: None).resume(None)
    assert (await verify(store)).problems == [], "the next worker wrote them again"


async def test_nor_can_that_of_a_range_without_a_record(store: MemoryStore) -> None:
    await write(store, Built(6, 9, None, []))
    del store.files[commit_path(TOPIC, 0, 6)]
    assert found(await verify(store)) == [("missing", commit_path(TOPIC, 0, 6))]


async def test_a_commit_in_the_middle_that_vanished_is_a_gap(store: MemoryStore) -> None:
    del store.files[COMMITS[1]]
    verdict = await verify(store)
    assert sorted({kind for kind, _ in found(verdict)}) == ["gap", "uncommitted"]


async def test_a_commit_that_comes_while_one_looks_is_not_missing(store: MemoryStore) -> None:
    commit = store.files.pop(COMMITS[2])
    looks = 0

    def written_at_the_third_look(operation: str, path: str) -> None:
        nonlocal looks
        looks += (operation, path) == ("get", COMMITS[2])
        if looks == 3:
            store.files[COMMITS[2]] = commit

    store.before = written_at_the_third_look
    assert (await verify(store)).problems == []
    assert looks == 3


async def write_and_die(store: MemoryStore, until: str) -> None:
    """Begin the range after the three, up to the first object whose path begins so."""

    def die(operation: str, path: str) -> None:
        if operation == "create" and path.startswith(until):
            raise asyncio.CancelledError

    store.before = die
    with pytest.raises(asyncio.CancelledError):
        await write(store, built(records(click(6), declined(7), first=6), 6))
    store.before = nothing


@pytest.mark.parametrize("until", ["event=booking", "event=search"])
async def test_a_range_that_is_being_written_is_counted_not_blamed(store: MemoryStore, until: str) -> None:
    await write_and_die(store, until)
    verdict = await verify(store)
    assert (verdict.problems, verdict.unfinished) == ([], 1)


@pytest.mark.parametrize("unreadable", [COMMITS[2:], COMMITS[1:], COMMITS])
@pytest.mark.parametrize("kind", ["corrupt", "unreadable"])
async def test_nor_when_the_commits_before_it_cannot_be_read(
    store: MemoryStore, kind: str, unreadable: list[str]
) -> None:
    await write_and_die(store, "event=search")

    def fail(operation: str, path: str) -> None:
        if operation == "get" and path in unreadable:
            raise StoreError(f"reading {path}: made to fail")

    if kind == "unreadable":
        store.before = fail
    else:
        for path in unreadable:
            put(store, path, b"{")
    verdict = await verify(store)
    assert (found(verdict), verdict.unfinished) == ([(kind, path) for path in unreadable], 1)


@pytest.mark.parametrize("name", ["README", "events.raw/README", "events.raw/x/y.json", "a/b/c/d", "t/0/1"])
async def test_a_stray_file_beside_the_intents_is_nobodys(store: MemoryStore, name: str) -> None:
    put(store, f"_intents/{name}", b"?")
    put(store, "event=search.click/left", b"")
    assert found(await verify(store)) == [("uncommitted", "event=search.click/left")]


async def test_an_intent_that_cannot_be_read_is_a_problem_of_its_own(store: MemoryStore) -> None:
    put(store, intent_path(TOPIC, 0, 6), b"?")
    put(store, "event=search.click/dt=2026-03-01/city=x/left.ndjson.gz", b"")
    assert found(await verify(store)) == [
        ("corrupt", intent_path(TOPIC, 0, 6)),
        ("uncommitted", "event=search.click/dt=2026-03-01/city=x/left.ndjson.gz"),
    ]


async def test_a_corrupt_commit_does_not_hide_the_rest(store: MemoryStore) -> None:
    put(store, COMMITS[1], b"{")
    put(store, "_commits/README", b"")
    (wrong,) = [
        path for path in store.files if path.startswith("event=search") and "-" + "5".zfill(20) in path
    ]
    put(store, wrong, b"another")
    verdict = await verify(store)
    assert found(verdict) == [
        ("corrupt", "_commits/README"), ("corrupt", COMMITS[1]), ("gap", f"{TOPIC}-0 at 2"),
        ("corrupt", wrong),
    ]  # fmt: skip
    assert (verdict.commits, verdict.objects) == (2, 4)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:20] + bytes(8) + data[28:],
        lambda data: data[:-9],
        lambda _: b"no gzip",
        lambda _: b"",
    ],
)
async def test_what_was_committed_damaged_is_named(spoil: Callable[[bytes], bytes]) -> None:
    store, made = MemoryStore(), built(records(declined(0)))
    (good,) = made.objects
    await write(store, made._replace(objects=[BuiltObject(good.path, good.rows, spoil(good.data))]))
    assert found(await verify(store)) == [("corrupt", good.path)]


async def test_a_file_that_does_not_answer_does_not_hide_the_rest(store: MemoryStore) -> None:
    silent = [COMMITS[0], *(path for path in store.files if "+" + "4".zfill(20) in path)]

    def fail(operation: str, path: str) -> None:
        if operation == "get" and path in silent:
            raise StoreError(f"reading {path}: made to fail")

    store.before = fail
    verdict = await verify(store)
    assert sorted(found(verdict)) == sorted(("unreadable", path) for path in silent)
    assert (verdict.commits, verdict.objects) == (2, 4)


async def test_a_store_that_does_not_answer_is_a_problem(store: MemoryStore) -> None:
    def fail(operation: str, path: str) -> None:
        raise StoreError(f"{operation} {path}: made to fail")

    store.before = fail
    (problem,) = (await verify(store)).problems
    assert (problem.kind, problem.found) == ("unreadable", "list : made to fail")


async def test_what_is_read_can_be_chosen_but_not_what_is_judged(store: MemoryStore) -> None:
    verdict = await verify(store, lambda path: path.startswith("event=search"))
    assert (verdict.commits, verdict.objects, verdict.rows) == (3, 3, 3)
    del store.files[COMMITS[1]]
    assert [kind for kind, _ in found(await verify(store, lambda _: False))] == [
        "gap", "uncommitted", "uncommitted",
    ]  # fmt: skip
