"""A folder of files as a store of objects: create-only and conditional writes, atomic and durable.

obstore's own local store cannot replace conditionally and does not sync what it wrote, so a power cut could
leave a commit whose objects are empty. Here a file is written beside the objects, under `_intents/.parts/`,
synced, and then linked (create) or renamed (replace) to its name, and its folder is synced. What a crash
leaves lies in that folder alone, never looks like an object, and is removed by a later writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from agents.bronze_store import ChangedError, ExistsError, Found, Listed, StoreError

PARTS = "_intents/.parts"
LEFTOVER_SECONDS = 3600.0
THREADS = 4

T = TypeVar("T")


class LocalStore:
    """`agents.bronze_store.Store` on a folder, which is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._parts = folder / PARTS
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._synced: set[Path] = set()

    def __str__(self) -> str:
        return f"file://{self._root}"

    @property
    def folder(self) -> Path:
        """Where the objects lie."""
        return self._root

    def exists(self) -> bool:
        """Whether there is something where the folder should be: one that nobody has written to is not."""
        try:
            self._root.stat()
        except FileNotFoundError:
            return False
        except OSError:  # something is: reading it says what
            return True
        return True

    async def create(self, path: str, data: bytes) -> None:
        """Write an object that is not there yet. Raises `ExistsError`."""
        await self._run("writing", path, lambda: self._create(path, data))

    async def replace(self, path: str, data: bytes, etag: str) -> None:
        """Write over the version that `etag` names. Raises `ChangedError`."""
        await self._run("writing", path, lambda: self._replace(path, data, etag))

    async def get(self, path: str) -> Found | None:
        """Read an object; None: there is none."""
        return await self._run("reading", path, lambda: self._get(path))

    async def list(self, prefix: str, after: str = "") -> AsyncIterator[Listed]:
        """All objects under `prefix`; those up to `after` are left out."""
        for listed in await self._run("listing", prefix, lambda: list(self._walk(prefix, after))):
            yield listed

    async def delete(self, path: str) -> None:
        """Remove an object, if it is there."""
        await self._run("deleting", path, lambda: (self._root / path).unlink(missing_ok=True))

    async def _run(self, doing: str, path: str, call: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        except OSError as error:
            raise StoreError(f"{doing} {self._root / path}: {error.strerror or error}") from None

    def _create(self, path: str, data: bytes) -> None:
        target = self._root / path
        with self._part(data) as part:
            self._make_folder(target.parent)
            try:
                os.link(part, target)
            except FileExistsError:
                raise ExistsError(path) from None
            finally:  # what is there already may be the work of one who has not come so far
                _sync_folder(target.parent)

    def _replace(self, path: str, data: bytes, etag: str) -> None:
        target = self._root / path
        with self._part(data) as part, self._lock():
            found = self._get(path)
            if found is None or found.etag != etag:
                raise ChangedError(path)
            part.replace(target)
            _sync_folder(target.parent)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        # Replacements are rare; `create` needs no lock, as it never touches a file that is there.
        descriptor = os.open(self._parts / "lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _part(self, data: bytes) -> Iterator[Path]:
        """A synced file with these bytes under a name of its own, removed in the end."""
        self._make_folder(self._parts)
        part = self._parts / uuid.uuid4().hex
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield part
        finally:
            part.unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, durably."""
        if folder in self._synced:
            return
        if not folder.is_dir():
            if folder != self._root:
                self._make_folder(folder.parent)
            else:
                folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(exist_ok=True)
            _sync_folder(folder.parent)
        if folder == self._parts:
            self._remove_leftovers()
        self._synced.add(folder)

    def _remove_leftovers(self) -> None:
        for part in self._parts.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if part.name != "lock" and time.time() - part.stat().st_mtime > LEFTOVER_SECONDS:
                    part.unlink()

    def _get(self, path: str) -> Found | None:
        try:
            data = (self._root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Found(data, hashlib.sha256(data).hexdigest())

    def _walk(self, prefix: str, after: str) -> Iterator[Listed]:
        if self.exists() and not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        yield from _walk(self._root / prefix, prefix, after)


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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have nothing to sync of a folder
            raise
    finally:
        os.close(descriptor)
