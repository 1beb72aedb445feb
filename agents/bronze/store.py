"""What Bronze needs of an object store, as a protocol: `streams.store` has the implementations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol


class StoreError(Exception):
    """The store did not do it, or is not known to have done it. `str()` states what and why, in one line."""


class ExistsError(Exception):
    """An object already exists at that path."""


class ChangedError(Exception):
    """The object at that path is not the one to be replaced, or no longer exists."""


Outcome = ExistsError | StoreError | None
"""Of an object that was to be created; None: it was."""


class Found(NamedTuple):
    """An object: its bytes, and the tag that identifies this version of it."""

    data: bytes
    etag: str


class Listed(NamedTuple):
    """An object in a listing."""

    path: str
    size_bytes: int


class Store(Protocol):
    """Objects by path. Paths are relative to the store's prefix, with `/` between their parts.

    A write is all or nothing, and durable once it is answered. Every method raises `StoreError`; the write
    may nevertheless have happened.
    """

    async def create(self, path: str, data: bytes) -> None:
        """Write an object that does not exist yet. Raises `ExistsError`."""

    async def create_all(self, objects: Sequence[tuple[str, bytes]]) -> Sequence[Outcome]:
        """Write objects (path, bytes) that do not exist yet, concurrently; returns the outcome of each, in
        their order. All that were written are durable then. Raises nothing."""

    async def replace(self, path: str, data: bytes, etag: str) -> None:
        """Replace the version that `etag` names. Raises `ChangedError`."""

    async def get(self, path: str) -> Found | None:
        """Read an object; None: there is none."""

    def list(self, prefix: str, after: str = "") -> AsyncIterator[Listed]:
        """All objects whose path begins with `prefix` (whole folders: it ends with `/`, or is "") and is
        greater than `after`."""

    async def delete(self, path: str) -> None:
        """Remove an object, if it exists."""
