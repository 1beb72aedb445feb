"""What tests of Bronze share: records, builders, and a store whose failures are planned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

from agents.bronze.commit import Built
from agents.bronze.layout import FORMER_NO_CITY, Layout, layout_of
from agents.bronze.range import RangeBuilder
from agents.bronze.store import ChangedError, ExistsError, Found, Listed, Outcome, StoreError
from schemas.validation.avro.known_schemas import KnownSchemas
from schemas.validation.validator import Validator
from tests.support.events import AT_MS

NO_LIMIT = 1 << 40
FORMER = Layout(layout_of(["search"]).by_city, FORMER_NO_CITY)
"""As a worker of the release before laid things down."""


class Record(NamedTuple):
    """A record as a batch has it."""

    offset: int
    timestamp: int
    value: bytes | None


def records(*values: bytes | None, first: int = 0) -> list[Record]:
    return [Record(first + number, AT_MS + number, value) for number, value in enumerate(values)]


class AtOnce(Executor):
    """Runs what it is given before it returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def builder(  # noqa: PLR0917
    first: int = 0,
    max_bytes: int = NO_LIMIT,
    until: int | None = None,
    schemas: KnownSchemas | None = None,
    layout: Layout | None = None,
    partition: int = 0,
    *,
    topic: str = "events.raw",
) -> RangeBuilder:
    return RangeBuilder(
        topic, partition, first, validator=Validator(schemas=schemas), pool=AtOnce(),
        max_bytes=max_bytes, until=until, layout=layout,
    )  # fmt: skip


def built(
    records: Sequence[Record],
    first: int = 0,
    after: int | None = None,
    layout: Layout | None = None,
    partition: int = 0,
    *,
    topic: str = "events.raw",
) -> Built:
    """The closed range of these records."""
    made = builder(first, layout=layout, partition=partition, topic=topic)
    made.add(records, after or records[-1].offset + 1)
    made.close()
    return Built(made.first, made.next, made.lost, made.objects())


def nothing(_operation: str, _path: str) -> None:
    """Neither fails nor waits."""


class MemoryStore:
    """`Store` in a dict. `before` is called with (operation, path) before each call and may raise, `after`
    after it has been done: what it raises then is a lost answer."""

    def __init__(self) -> None:
        self.files: dict[str, Found] = {}
        self.listed_after: list[str] = []
        self.before: Callable[[str, str], None] = nothing
        self.after: Callable[[str, str], None] = nothing
        self._versions = 0

    async def create(self, path: str, data: bytes) -> None:
        await self._begin("create", path)
        if path in self.files:
            raise ExistsError(path)
        self._write(path, data)
        self.after("create", path)

    async def create_all(self, objects: Sequence[tuple[str, bytes]]) -> Sequence[Outcome]:
        return await asyncio.gather(*(self._outcome(path, data) for path, data in objects))

    async def _outcome(self, path: str, data: bytes) -> Outcome:
        try:
            await self.create(path, data)
        except (ExistsError, StoreError) as error:
            return error
        return None

    async def replace(self, path: str, data: bytes, etag: str) -> None:
        await self._begin("replace", path)
        if path not in self.files or self.files[path].etag != etag:
            raise ChangedError(path)
        self._write(path, data)
        self.after("replace", path)

    async def get(self, path: str) -> Found | None:
        await self._begin("get", path)
        return self.files.get(path)

    async def list(self, prefix: str, after: str = "") -> AsyncIterator[Listed]:
        self.listed_after.append(after)
        await self._begin("list", prefix)
        for path, found in list(self.files.items()):
            if path.startswith(prefix) and path > after:
                yield Listed(path, len(found.data))

    async def delete(self, path: str) -> None:
        await self._begin("delete", path)
        self.files.pop(path, None)

    async def _begin(self, operation: str, path: str) -> None:
        await asyncio.sleep(0)
        self.before(operation, path)

    def _write(self, path: str, data: bytes) -> None:
        self._versions += 1
        self.files[path] = Found(data, str(self._versions))


def failing_now_and_then(share: float, draw: Callable[[], float]) -> Callable[[str, str], None]:
    """Fails that share of calls."""

    def fail(operation: str, path: str) -> None:
        if draw() < share:
            raise StoreError(f"{operation} {path}: made to fail")

    return fail
