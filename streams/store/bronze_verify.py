"""Holds a Bronze store's commits against its objects and against each other."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from agents.bronze_files import (
    COMMITS,
    INTENTS,
    Commit,
    CorruptFileError,
    ObjectEntry,
    decode_intent,
    intent_path,
)
from agents.bronze_store import Store
from streams.store.bronze_reader import BronzeReader, Committed

READS_AT_ONCE = 8


@dataclass(frozen=True)
class Problem:
    """Something that is wrong. `kind`: corrupt, missing, gap, overlap, twice or uncommitted."""

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


async def verify(store: Store) -> Verdict:
    """Read all of Bronze and judge it. Raises `StoreError`."""
    verdict = Verdict()
    there = await _objects_there(store)
    committed = await _commits(store, verdict)
    if committed is None:
        return verdict
    _judge_ranges(committed, verdict)
    await _judge_objects(store, committed, verdict)
    await _judge_uncommitted(store, there, committed, verdict)
    return verdict


async def uncommitted(store: Store) -> list[Problem]:
    """Objects that are in no commit, found by listing alone. Raises `StoreError`, `CorruptFileError`."""
    verdict = Verdict()
    there = await _objects_there(store)
    committed = [found async for found in BronzeReader(store).commits()]
    await _judge_uncommitted(store, there, committed, verdict)
    return verdict.problems


async def _objects_there(store: Store) -> list[str]:
    # To be asked before the commits are read: what is committed meanwhile is not taken for uncommitted then.
    return [listed.path async for listed in store.list("") if not listed.path.startswith((COMMITS, INTENTS))]


async def _commits(store: Store, verdict: Verdict) -> list[Committed] | None:
    try:
        return [found async for found in BronzeReader(store).commits()]
    except CorruptFileError as error:
        path = str(error).split(" ", 1)[0]
        verdict.problems.append(Problem("corrupt", path, str(error)))
        return None


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


async def _judge_objects(store: Store, committed: list[Committed], verdict: Verdict) -> None:
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
            except CorruptFileError as error:
                kind = "missing" if "is not there" in str(error) else "corrupt"
                verdict.problems.append(Problem(kind, entry.path, str(error)))
            except (OSError, EOFError) as error:
                verdict.problems.append(
                    Problem("corrupt", entry.path, f"{entry.path} is no gzip file: {error}")
                )

    await asyncio.gather(*(judge(entry) for entry in entries))


async def _judge_uncommitted(
    store: Store, there: list[str], committed: list[Committed], verdict: Verdict
) -> None:
    listed = {entry.path for found in committed for entry in found.commit.objects}
    left = [path for path in there if path not in listed]
    if not left:
        return
    unfinished = await _unfinished(store, committed)
    for path in sorted(left):
        if path in unfinished:
            verdict.unfinished += 1
        else:
            verdict.problems.append(Problem("uncommitted", path, f"{path} is in no commit"))


async def _unfinished(store: Store, committed: list[Committed]) -> set[str]:
    """Objects of the ranges that come next: each partition's intent behind its newest commit."""
    newest: dict[tuple[str, int], Commit] = {
        (topic, partition): commit for topic, partition, commit in committed
    }
    intents: dict[tuple[str, int], list[str]] = defaultdict(list)
    async for listed in store.list(INTENTS):
        topic, partition, _ = listed.path.removeprefix(INTENTS).split("/")
        intents[topic, int(partition)].append(listed.path)
    paths: set[str] = set()
    for source, files in intents.items():
        commit = newest.get(source)
        path = min(files) if commit is None else intent_path(*source, commit.next)
        found = await store.get(path)
        if found is not None:
            paths |= {entry.path for entry in decode_intent(path, found.data).objects}
    return paths
