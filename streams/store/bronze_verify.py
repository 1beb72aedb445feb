"""Holds a Bronze store's commits against its objects and against each other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from agents.bronze.files import COMMITS, INTENTS, CorruptFileError, ObjectEntry
from agents.bronze.store import Store, StoreError
from streams.store.bronze_reader import BronzeReader, Committed, MissingObjectError
from streams.store.local import LocalStore
from streams.store.pending_ranges import pending_ranges

READS_AT_ONCE = 8
SEALED_WITHOUT_COMMIT = "it was removed, or its writer ended just before it; the next worker writes it"


@dataclass(frozen=True)
class Problem:
    """Something that is wrong. `kind`: corrupt, missing, unreadable, gap, overlap, twice or uncommitted."""

    kind: str
    path: str
    found: str


@dataclass
class Verdict:
    """What was looked at and what is wrong. `unfinished`: objects of ranges that are being written, or will
    be when a worker takes them up again; `lost`: [topic, partition, from, to) that Kafka had deleted unread.
    """

    commits: int = 0
    objects: int = 0
    rows: int = 0
    bytes: int = 0
    unfinished: int = 0
    lost: list[tuple[str, int, int, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


async def verify(store: Store, wanted: Callable[[str], bool] = lambda _: True) -> Verdict:
    """Judge Bronze, and read the committed objects whose path is wanted. A store that does not answer is a
    problem, too."""
    verdict = Verdict()
    if isinstance(store, LocalStore) and not store.exists():
        verdict.problems.append(Problem("missing", str(store), f"{store} is not there"))
        return verdict
    try:
        there, committed = await _looked_at(store, verdict)
        _judge_ranges(committed, verdict)
        await _judge_objects(store, committed, wanted, verdict)
        await _judge_uncommitted(store, there, committed, verdict)
    except StoreError as error:
        verdict.problems.append(Problem("unreadable", str(store), str(error)))
    return verdict


async def uncommitted(store: Store) -> list[Problem]:
    """What is in no commit, and commits that are not there or not readable, found by listing and reading
    commits alone. Raises `StoreError`."""
    verdict = Verdict()
    there, committed = await _looked_at(store, verdict)
    await _judge_uncommitted(store, there, committed, verdict)
    return verdict.problems


async def _looked_at(store: Store, verdict: Verdict) -> tuple[list[str], list[Committed]]:
    """The objects that are there, and the commits that can be read."""
    # In this order: what is committed meanwhile is not taken for uncommitted then.
    there = [listed.path async for listed in store.list("") if not listed.path.startswith((COMMITS, INTENTS))]
    reader = BronzeReader(store)
    committed: list[Committed] = []
    for path in sorted(await reader.commit_paths()):
        try:
            found = await reader.commit(path)
        except (CorruptFileError, StoreError) as error:
            verdict.problems.append(_problem(path, error))
        else:
            committed += [] if found is None else [found]
    return there, committed


def _judge_ranges(committed: list[Committed], verdict: Verdict) -> None:
    nexts: dict[tuple[str, int], int] = {}
    for topic, partition, commit in committed:
        verdict.commits += 1
        before = nexts.get((topic, partition), commit.first)
        where = f"{topic}-{partition}"
        if commit.first > before:
            found = f"offsets {before} to {commit.first - 1} of {where} are in no commit"
            verdict.problems.append(Problem("gap", f"{where} at {before}", found))
        elif commit.first < before:
            found = f"offsets {commit.first} to {before - 1} of {where} are in two commits"
            verdict.problems.append(Problem("overlap", f"{where} at {commit.first}", found))
        nexts[topic, partition] = max(before, commit.next)
        if commit.lost is not None:
            verdict.lost.append((topic, partition, *commit.lost))


async def _judge_objects(
    store: Store, committed: list[Committed], wanted: Callable[[str], bool], verdict: Verdict
) -> None:
    reader = BronzeReader(store)
    entries = [entry for found in committed for entry in found.commit.objects]
    for path, times in Counter(entry.path for entry in entries).items():
        if times > 1:
            verdict.problems.append(Problem("twice", path, f"{path} is in {times} commits"))
    slots = asyncio.Semaphore(READS_AT_ONCE)

    async def judge(entry: ObjectEntry) -> None:
        async with slots:
            verdict.objects += 1
            verdict.rows += entry.rows
            verdict.bytes += entry.bytes
            try:
                await reader.lines(entry)
            except (CorruptFileError, StoreError) as error:
                verdict.problems.append(_problem(entry.path, error))

    await asyncio.gather(*(judge(entry) for entry in entries if wanted(entry.path)))


async def _judge_uncommitted(
    store: Store, there: list[str], committed: list[Committed], verdict: Verdict
) -> None:
    wrong = {problem.path for problem in verdict.problems}
    unread = {_range_of_commit(path) for path in wrong}
    nexts = {(topic, partition): commit.next for topic, partition, commit in committed}
    found = await pending_ranges(store, nexts, wrong)
    verdict.problems += [_problem(path, error) for path, error in found.wrong]
    verdict.problems += [
        Problem("missing", path, f"{path} is not there, though its range is sealed: {SEALED_WITHOUT_COMMIT}")
        for path in sorted(found.missing)
    ]
    left = set(there) - {entry.path for each in committed for entry in each.commit.objects} - found.sealed
    for path in sorted(left):
        if path in found.open:
            verdict.unfinished += 1
        elif _range_of_object(path) not in unread:
            verdict.problems.append(Problem("uncommitted", path, f"{path} is in no commit"))


def _range_of_commit(path: str) -> str:
    return path.removeprefix(COMMITS).removesuffix(".json").replace("/", "+")


def _range_of_object(path: str) -> str:
    return path.rpartition("/")[2].rpartition("-")[0]


def _problem(path: str, error: Exception) -> Problem:
    if isinstance(error, StoreError):
        return Problem("unreadable", path, str(error))
    return Problem("missing" if isinstance(error, MissingObjectError) else "corrupt", path, str(error))
