"""Puts the site where it is read from: a bucket that serves static pages (S3, and Amplify from there).

Assets are named by their content and may be kept for good; pages are asked for anew each time. New assets
come first and pages after them, so that no page is ever without its own; what only the site before had goes
last.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from streams.site.build import MANIFEST, former_files

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".avsc": "application/json",
}
KEPT, ASKED = "public, max-age=31536000, immutable", "no-cache"
AT_ONCE = 16
TIMEOUT_SECONDS = 30


class PublishError(Exception):
    """The site could not be published. `str(error)` says what, where and why, in one line."""


class Published(NamedTuple):
    """How many objects were put and removed."""

    put: int
    removed: int


async def publish(files: dict[str, bytes], bucket: str, prefix: str) -> Published:
    """Put all files below a prefix of a bucket. Raises `PublishError`; a second try goes on with it."""
    store = S3Store(
        bucket,
        prefix=prefix.strip("/") or None,
        client_options={"timeout": f"{TIMEOUT_SECONDS}s", "allow_http": True},
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=TIMEOUT_SECONDS)},
    )
    where = f"s3://{bucket}/{prefix.strip('/')}"
    try:
        former = await _former(store)
        pages = {path for path in files if path.endswith(".html")}
        for part in (files.keys() - pages - {MANIFEST}, pages, {MANIFEST}):
            await _put_all(store, {path: files[path] for path in sorted(part)})
        gone = sorted(former - files.keys())
        if gone:
            await obstore.delete_async(store, gone)
    except* (BaseError, OSError) as group:
        error = group.exceptions[0]
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        said = str(error).partition("\nDebug source:")[0].partition(": <?xml")[0].strip().splitlines()[0]
        raise PublishError(f"the site cannot be put at {where}: {said}") from None
    return Published(len(files), len(gone))


async def _former(store: S3Store) -> set[str]:
    """The files of the site that is there."""
    try:
        found = await obstore.get_async(store, MANIFEST)
    except FileNotFoundError:
        return set()
    return former_files(bytes(await found.bytes_async()))


async def _put_all(store: S3Store, files: dict[str, bytes]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def put(path: str, content: bytes) -> None:
        async with slots:
            await obstore.put_async(store, path, content, attributes=attributes(path), use_multipart=False)

    async with asyncio.TaskGroup() as puts:
        for path, content in files.items():
            puts.create_task(put(path, content))


def attributes(path: str) -> dict[str, str]:
    """The headers that a file is served with."""
    kept = KEPT if path.startswith("assets/") else ASKED
    return {"Content-Type": TYPES[PurePosixPath(path).suffix], "Cache-Control": kept}
