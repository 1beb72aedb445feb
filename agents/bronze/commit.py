"""Commits a range to Bronze, exactly once: intent, objects, commit. Finds where a partition continues.

Any number of writers may attempt the same range, stopped and resumed at any instruction: the store's
conditional writes decide. Per range `first`:
1. the intent is created; a writer that finds one there takes over its range and puts the same objects;
2. the objects are created; one that exists has the same bytes, or is replaced by the writer whose intent
   holds; then the intent is sealed, if it still holds: it can no longer be replaced;
3. the commit is created. It is never changed, and what it lists is what counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from msgspec import structs

from agents.bronze.files import (
    Commit,
    CorruptFileError,
    Intent,
    ObjectEntry,
    Position,
    commit_path,
    commits_folder,
    decode_commit,
    decode_intent,
    decode_position,
    encode,
    intent_path,
    position_path,
)
from agents.bronze.gzip import crc32c
from agents.bronze.layout import lie_otherwise
from agents.bronze.range import BuiltObject
from agents.bronze.retries import Failures, PatientStore
from agents.bronze.store import Store
from agents.sink import OvertakenError
from tables.fingerprint import RecordFingerprint

CALLS_AT_ONCE = 16
PUTS_TOGETHER = 1024
"""So many objects are created by one call: enough to keep a store busy, few enough to stop soon."""

T = TypeVar("T")


class Built(NamedTuple):
    """A closed range with its objects' bytes."""

    first: int
    next: int
    lost: tuple[int, int] | None
    objects: Sequence[BuiltObject]
    topic_id: str | None = None
    last_record: RecordFingerprint | None = None


class Resume(NamedTuple):
    """Where a partition continues. `next`: None if nothing was ever written. `intent`: the pending one."""

    next: int | None
    intent: Intent | None


class Committer:
    """Writes the ranges of one source partition. `nonce` identifies this writer and is unique to it.

    `newest`: the newest commit, and `position`: where the partition was first seen, as `resume` found them.
    """

    def __init__(self, store: Store, topic: str, partition: int, nonce: str, on_failure: Failures) -> None:
        self._store = PatientStore(store, on_failure)
        self._topic = topic
        self._partition = partition
        self._nonce = nonce
        self.newest: Commit | None = None
        self.position: Position | None = None

    # --- where to continue ---------------------------------------------------------------------------------

    async def resume(self, hint: tuple[int, int] | None) -> Resume:
        """Find the newest commit. Raises `CorruptFileError` where it is not readable.

        `hint`: first and next offset of what may be the newest one; it may be wrong in any way.
        An intent that follows it, and whose objects all exist, is committed on the way.
        """
        newest = await self._newest(hint)
        position = self.position = await self.position_of(self._partition)
        next_offset = newest.next if newest is not None else position.first if position is not None else None
        intent = await (self._first_intent() if next_offset is None else self._intent(next_offset))
        while intent is not None and (intent.sealed or await self._is_complete(intent)):
            try:
                await self._seal(intent)
                newest = await self._create_commit(intent.commit)
            except OvertakenError:  # another writer has just committed, after replacing this intent
                return await self.resume(hint)
            next_offset = newest.next
            intent = await self._intent(next_offset)
        self.newest = newest
        return Resume(next_offset, intent)

    async def position_of(self, partition: int) -> Position | None:
        """Where a partition of the topic was first seen. Raises `CorruptFileError`."""
        return await self._read(position_path(self._topic, partition), decode_position)

    async def keep_position(self, position: Position) -> bool:
        """Record where the partition was first seen; False: another writer has, differently: resume again."""
        path = position_path(self._topic, self._partition)
        if await self._store.create(path, encode(position)):
            self.position = position
            return True
        self.position = await self.position_of(self._partition)
        return self.position == position

    async def _newest(self, hint: tuple[int, int] | None) -> Commit | None:
        folder = commits_folder(self._topic, self._partition)
        known: Commit | None = None
        if hint is not None:
            known = await self._commit(commit_path(self._topic, self._partition, hint[0]))
            if known is not None and known.next != hint[1]:
                known = None
        after = "" if known is None else commit_path(self._topic, self._partition, known.first)
        last = await self._store.last(folder, after)
        if last is None:
            return known
        commit = await self._commit(last)
        if commit is None:
            raise CorruptFileError(f"{last} was listed, but cannot be read: it is gone")
        return commit

    async def _first_intent(self) -> Intent | None:
        """The first intent of a partition without commits: its writer began where Kafka began then."""
        folder = intent_path(self._topic, self._partition, 0).rpartition("/")[0] + "/"
        path = await self._store.first(folder)
        return None if path is None else await self._read(path, decode_intent)

    async def _commit(self, path: str) -> Commit | None:
        return await self._read(path, decode_commit)

    async def _intent(self, first: int) -> Intent | None:
        return await self._read(intent_path(self._topic, self._partition, first), decode_intent)

    async def _read(self, path: str, decode: Callable[[str, bytes], T]) -> T | None:
        found = await self._store.get(path)
        return None if found is None else decode(path, found.data)

    async def _is_complete(self, intent: Intent) -> bool:
        for start in range(0, len(intent.objects), CALLS_AT_ONCE):
            entries = intent.objects[start : start + CALLS_AT_ONCE]
            if not all(await asyncio.gather(*(self._is_there(entry) for entry in entries))):
                return False
        return True

    async def _is_there(self, entry: ObjectEntry) -> bool:
        found = await self._store.get(entry.path)
        return found is not None and len(found.data) == entry.bytes and crc32c(found.data) == entry.crc32c

    # --- writing a range -----------------------------------------------------------------------------------

    async def commit(self, built: Built) -> Commit:
        """Write a range; retries until it is written. Raises `OvertakenError`, `CorruptFileError`."""
        entries = await asyncio.to_thread(_entries, built.objects)
        intent = Intent(
            first=built.first,
            last=built.next - 1,
            next=built.next,
            objects=entries,
            lost=built.lost,
            topic_id=built.topic_id,
            last_record=built.last_record,
            nonce=self._nonce,
        )
        await self._claim(intent)
        for start in range(0, len(built.objects), PUTS_TOGETHER):
            await self._put_all(built.objects[start : start + PUTS_TOGETHER], intent)
        await self._seal(intent)
        return await self._create_commit(intent.commit)

    async def _claim(self, intent: Intent) -> None:
        """Claim the range: by its intent, or by another's intent with the same commit."""
        path = intent_path(self._topic, self._partition, intent.first)
        while not await self._store.create(path, encode(intent)):
            found = await self._store.get(path)
            if found is None:
                continue
            other = decode_intent(path, found.data)
            if other.commit == intent.commit:  # our own whose response was lost, or an equivalent one
                return
            await self._make_way(other, intent)
            if await self._store.replace(path, encode(intent), found.etag):
                await self._remove_what_is_not_in(intent, other)
                return

    async def _make_way(self, other: Intent, intent: Intent) -> None:
        """Raises `OvertakenError` unless our intent is to replace the other one."""
        if await self._commit(commit_path(self._topic, self._partition, intent.first)) is not None:
            raise OvertakenError
        if other.next != intent.next and not _swallows(intent, other):
            raise OvertakenError
        if other.sealed:
            await self._create_commit(other.commit)
            raise OvertakenError
        if other.next == intent.next and lie_otherwise(other, intent):  # its writer may still put objects
            raise OvertakenError

    async def _remove_what_is_not_in(self, intent: Intent, other: Intent) -> None:
        kept = {entry.path for entry in intent.objects}
        for entry in other.objects:
            if entry.path not in kept:
                await self._store.delete(entry.path)

    async def _seal(self, intent: Intent) -> None:
        """All objects exist: from now on neither the intent nor the objects' bytes can be replaced."""
        path = intent_path(self._topic, self._partition, intent.first)
        while True:
            found = await self._store.get(path)
            held = None if found is None else decode_intent(path, found.data)
            if found is None or held is None or held.commit != intent.commit:
                raise OvertakenError
            sealed = structs.replace(held, sealed=True)
            if held.sealed or await self._store.replace(path, encode(sealed), found.etag):
                return

    async def _holds(self, intent: Intent) -> bool:
        held = await self._intent(intent.first)
        return held is not None and held.commit == intent.commit

    async def _put_all(self, objects: Sequence[BuiltObject], intent: Intent) -> None:
        """Return when all exist as required; failed puts are retried. Raises `OvertakenError`."""
        by_path = {made.path: made for made in objects}
        async for there in self._store.create_all([(made.path, made.data) for made in objects]):
            await self._settle_all([by_path[path] for path in there], intent)

    async def _settle_all(self, objects: Sequence[BuiltObject], intent: Intent) -> None:
        slots = asyncio.Semaphore(CALLS_AT_ONCE)
        outcomes = await asyncio.gather(
            *(self._settle(made, intent, slots) for made in objects), return_exceptions=True
        )
        for outcome in outcomes:  # every put must be known to be done
            if isinstance(outcome, BaseException):
                raise outcome

    async def _settle(self, made: BuiltObject, intent: Intent, slots: asyncio.Semaphore) -> None:
        """An object already exists: it has the same bytes, or we replace it if our intent holds."""
        async with slots:
            while True:
                found = await self._store.get(made.path)
                if found is not None and found.data == made.data:
                    return
                if not await self._holds(intent):
                    raise OvertakenError
                if found is not None and await self._store.replace(made.path, made.data, found.etag):
                    return
                if found is None and await self._store.create(made.path, made.data):
                    return

    async def _create_commit(self, commit: Commit) -> Commit:
        path = commit_path(self._topic, self._partition, commit.first)
        while not await self._store.create(path, encode(commit)):
            there = await self._commit(path)
            if there == commit:
                break
            if there is not None:
                raise OvertakenError
        return commit


def _entries(objects: Sequence[BuiltObject]) -> tuple[ObjectEntry, ...]:
    return tuple(ObjectEntry(path, rows, len(data), crc32c(data)) for path, rows, data in objects)


def _swallows(intent: Intent, other: Intent) -> bool:
    """Whether Kafka has deleted all that the other intent was to write, according to our intent."""
    return intent.lost is not None and other.next <= intent.lost[1]
