"""A folder of files as a store of objects: create-only and conditional writes, atomic and durable.

obstore's own local store cannot replace conditionally and does not sync what it wrote, so a power cut could
leave a commit whose objects are empty. Here a file is written beside the objects, under `_intents/.parts/`,
synced, and then linked (create) or renamed (replace) to its name, and its folder is synced. What a crash
leaves lies in that folder alone, never looks like an object, and is removed by a later writer. Many objects
are created by several threads, as syncing many files at a time hardly takes a disk longer than one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from agents.bronze.store import ChangedError, ExistsError, Found, Listed, Outcome, StoreError
from streams.metrics import STORE_REQUESTS
from streams.store.local_files import Folders, remove, sync_folder, write_part

PARTS = "_intents/.parts"
LEFTOVER_SECONDS = 3600.0
THREADS = 8

T = TypeVar("T")
Objects = Sequence[tuple[str, bytes]]
"""Paths and contents."""


class LocalStore:
    """`agents.bronze.store.Store` on a folder, which is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts = folder.absolute() / PARTS
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._folder = str(folder.absolute())
        self._folders = Folders(folder)
        self._cleaned = False

    def __str__(self) -> str:
        return f"file://{self.folder}"

    def exists(self) -> bool:
        """Whether there is anything at the folder's path. The folder is made by the first write."""
        try:
            self.folder.stat()
        except OSError as error:
            return not isinstance(error, FileNotFoundError)  # reading it says what is there instead
        return True

    async def create(self, path: str, data: bytes) -> None:
        """Write an object that is not there yet. Raises `ExistsError`."""
        STORE_REQUESTS.labels("put").inc()
        await self._run("writing", path, lambda: self._create(path, data))

    async def replace(self, path: str, data: bytes, etag: str) -> None:
        """Write over the version that `etag` names. Raises `ChangedError`."""
        STORE_REQUESTS.labels("put").inc()
        await self._run("writing", path, lambda: self._replace(path, data, etag))

    async def get(self, path: str) -> Found | None:
        """Read an object; None: there is none."""
        STORE_REQUESTS.labels("get").inc()
        return await self._run("reading", path, lambda: self._get(path))

    async def list(self, prefix: str, after: str = "") -> AsyncIterator[Listed]:
        """All objects under `prefix`; those up to `after` are left out."""
        STORE_REQUESTS.labels("list").inc()
        for listed in await self._run("listing", prefix, lambda: list(self._walk(prefix, after))):
            yield listed

    async def delete(self, path: str) -> None:
        """Remove an object, if it is there."""
        STORE_REQUESTS.labels("delete").inc()
        await self._run("deleting", path, lambda: (self.folder / path).unlink(missing_ok=True))

    async def _run(self, doing: str, path: str, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        except OSError as error:
            raise self._failed(doing, path, error) from None

    def _failed(self, doing: str, path: str, error: OSError) -> StoreError:
        return StoreError(f"{doing} {self.folder / path}: {error.strerror or error}")

    def _create(self, path: str, data: bytes) -> None:
        self._make_folders([path])
        outcome = self._create_some([(path, data)], [])[path]
        if outcome is not None:
            raise outcome

    async def create_all(self, objects: Objects) -> Sequence[Outcome]:
        """Write objects (path, bytes) that are not there yet, side by side; answers the outcome of each."""
        try:
            await self._run("writing", "", lambda: self._make_folders([path for path, _ in objects]))
        except StoreError as error:
            return [error] * len(objects)
        STORE_REQUESTS.labels("put").inc(len(objects))
        stop: list[bool] = []
        calls = [partial(self._create_some, share, stop) for share in _shares(objects)]
        try:
            done = await asyncio.gather(*(self._run("writing", "", call) for call in calls))
        except asyncio.CancelledError:
            stop.append(True)
            raise
        outcomes = {path: outcome for found in done for path, outcome in found.items()}
        return [outcomes[path] for path, _ in objects]

    def _create_some(self, objects: Objects, stop: Sequence[bool]) -> dict[str, Outcome]:
        """Create objects one by one, and sync each folder once; answers path to outcome. Ends early with
        `stop`: nobody waits for it any more."""
        outcomes: dict[str, Outcome] = {}
        for path, data in objects:
            if stop:
                break
            try:
                self._link(f"{self._folder}/{path}", data)
            except FileExistsError:
                outcomes[path] = ExistsError(path)
            except OSError as error:
                outcomes[path] = self._failed("writing", path, error)
            else:
                outcomes[path] = None
        # Also the folders of objects that existed: whoever created them may not have synced them yet.
        for folder in dict.fromkeys(map(_folder_of, outcomes)):
            try:
                sync_folder(f"{self._folder}/{folder}")
            except OSError as error:
                within = [path for path in outcomes if _folder_of(path) == folder]
                outcomes |= {path: self._failed("writing", path, error) for path in within}
        return outcomes

    def _link(self, target: str, data: bytes) -> None:
        """Write a file whole and synced, or not at all. Raises `FileExistsError`."""
        if os.path.lexists(target):  # of one who died, among thousands: no write and no sync again
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        part = write_part(str(self._parts), data)
        try:
            os.link(part, target)
        finally:
            remove(part)

    def _replace(self, path: str, data: bytes, etag: str) -> None:
        target = self.folder / path
        self._make_folders([])
        part = write_part(str(self._parts), data)
        try:
            # Replacements are rare; `create` needs no lock, as it never touches a file that exists.
            with (self._parts / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                found = self._get(path)
                if found is None or found.etag != etag:
                    raise ChangedError(path)
                Path(part).replace(target)
                sync_folder(str(target.parent))
        finally:
            remove(part)

    def _make_folders(self, paths: Iterable[str]) -> None:
        """Make the folders of these objects, and that of the parts, durably."""
        if not self._cleaned:
            self._folders.make([str(self._parts)])
            self._remove_leftovers()
            self._cleaned = True
        self._folders.make(f"{self._folder}/{_folder_of(path)}".rstrip("/") for path in paths)

    def _remove_leftovers(self) -> None:
        for part in self._parts.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if part.name != "lock" and time.time() - part.stat().st_mtime > LEFTOVER_SECONDS:
                    part.unlink()

    def _get(self, path: str) -> Found | None:
        try:
            data = (self.folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Found(data, hashlib.sha256(data).hexdigest())

    def _walk(self, prefix: str, after: str) -> Iterator[Listed]:
        if self.exists() and not self.folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        yield from _walk(self.folder / prefix, prefix, after)


def _walk(folder: Path, prefix: str, after: str) -> Iterator[Listed]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    # A folder's objects sort as if its name ended with a slash.
    for name, entry in sorted((entry.name + "/" * entry.is_dir(), entry) for entry in entries):
        path = prefix + name
        if path == PARTS + "/" or (path <= after and not after.startswith(path)):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), path, after)
        elif path > after:
            with contextlib.suppress(FileNotFoundError):
                yield Listed(path, entry.stat().st_size)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _shares(objects: Objects) -> list[list[tuple[str, bytes]]]:
    """The objects by thread; those of a folder are together."""
    by_folder: defaultdict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for each in objects:
        by_folder[_folder_of(each[0])].append(each)
    folders = list(by_folder.values())
    return [
        list(chain.from_iterable(folders[thread::THREADS])) for thread in range(min(THREADS, len(folders)))
    ]
