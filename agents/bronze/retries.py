"""A store whose calls are retried, with back-off, until they succeed: Bronze never skips anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from agents.backoff import Backoff
from agents.bronze.store import ChangedError, ExistsError, Found, Store, StoreError

LONGEST_PAUSE_SECONDS = 30.0

T = TypeVar("T")


Failures = Callable[[str, StoreError, float], None]
"""Called with each failed attempt: the operation (put or read), the error, seconds to the next attempt."""


class PatientStore:
    """A `Store` whose failing calls are retried; each failed attempt is reported to `on_failure`."""

    def __init__(self, store: Store, on_failure: Failures) -> None:
        self._store = store
        self._on_failure = on_failure

    async def create(self, path: str, data: bytes) -> bool:
        """False: an object exists already, perhaps from an earlier attempt whose response was lost."""
        return await self._put(lambda: self._store.create(path, data), ExistsError)

    async def create_all(self, objects: Sequence[tuple[str, bytes]]) -> AsyncIterator[list[str]]:
        """Create objects, retrying failures; yields the paths of objects that exist already."""
        backoff = Backoff(LONGEST_PAUSE_SECONDS)
        while objects:
            outcomes = await self._store.create_all(objects)
            pairs = list(zip(objects, outcomes, strict=True))
            yield [path for (path, _), found in pairs if isinstance(found, ExistsError)]
            failures = [found for found in outcomes if isinstance(found, StoreError)]
            left = [made for made, found in pairs if isinstance(found, StoreError)]
            if failures:
                if len(left) < len(objects):
                    backoff.reset()
                self._on_failure("put", failures[0], backoff.seconds)
                await backoff.pause()
            objects = left

    async def replace(self, path: str, data: bytes, etag: str) -> bool:
        """False: it is not the version that `etag` names; read again what is there."""
        return await self._put(lambda: self._store.replace(path, data, etag), ChangedError)

    async def get(self, path: str) -> Found | None:
        """Read an object; None: there is none."""
        return await self._again("read", lambda: self._store.get(path))

    async def first(self, folder: str) -> str | None:
        """The first path in a folder; None: it is empty."""
        return min(await self._paths(folder), default=None)

    async def last(self, folder: str, after: str) -> str | None:
        """The last path in a folder, of those after `after`; None: there is none."""
        return max(await self._paths(folder, after), default=None)

    async def delete(self, path: str) -> None:
        """Remove an object, if it exists."""
        await self._again("put", lambda: self._store.delete(path))

    async def _put(self, call: Callable[[], Awaitable[None]], refusal: type[Exception]) -> bool:
        try:
            await self._again("put", call)
        except refusal:
            return False
        return True

    async def _paths(self, folder: str, after: str = "") -> list[str]:
        async def paths() -> list[str]:
            return [listed.path async for listed in self._store.list(folder, after)]

        return await self._again("read", paths)

    async def _again(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Retry a call until the store answers."""
        backoff = Backoff(LONGEST_PAUSE_SECONDS)
        while True:
            try:
                return await call()
            except StoreError as error:
                self._on_failure(operation, error, backoff.seconds)
                await backoff.pause()
