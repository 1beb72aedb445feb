"""S3, or what speaks its protocol, as a store of objects, by obstore.

Where it is and who we are comes from the usual AWS_ variables (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, web identity and container roles): obstore reads them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from agents.bronze.store import ChangedError, ExistsError, Found, Listed, Outcome, StoreError
from streams.metrics import STORE_REQUESTS

TIMEOUT_SECONDS = 30
_CODE = re.compile(r"<Code>(\w+)</Code>")
CONNECT_TIMEOUT_SECONDS = 5
RETRIES = 1
PUTS_AT_ONCE = 64
PAGE_OBJECTS = 1000
"""How many objects S3 lists in one answer."""


class S3ObjectStore:
    """`agents.bronze.store.Store` on a bucket, below `prefix`."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._store = S3Store(
            bucket,
            client_options={
                "timeout": f"{TIMEOUT_SECONDS}s",
                "connect_timeout": f"{CONNECT_TIMEOUT_SECONDS}s",
                "allow_http": True,
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=TIMEOUT_SECONDS)},
        )

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    async def create(self, path: str, data: bytes) -> None:
        """Write an object that is not there yet. Raises `ExistsError`."""
        STORE_REQUESTS.labels("put").inc()
        try:
            await obstore.put_async(
                self._store, self._prefix + path, data, mode="create", use_multipart=False
            )
        except (AlreadyExistsError, PreconditionError):
            raise ExistsError(path) from None
        except (BaseError, OSError) as error:
            # A server may refuse a large object before it has read it: its answer is then lost on the way.
            if await self.get(path) is not None:
                raise ExistsError(path) from None
            raise self._failed("writing", path, error) from None

    async def create_all(self, objects: Sequence[tuple[str, bytes]]) -> Sequence[Outcome]:
        """Write objects (path, bytes) that are not there yet, side by side; answers the outcome of each.

        While more fail than not, no more are tried: a server that is away is told of at once.
        """
        slots = asyncio.Semaphore(PUTS_AT_ONCE)
        failures: list[StoreError] = []
        written = 0

        async def create(path: str, data: bytes) -> Outcome:
            nonlocal written
            async with slots:
                if len(failures) > written:
                    return failures[0]
                try:
                    await self.create(path, data)
                except ExistsError as error:
                    written += 1
                    return error
                except StoreError as error:
                    failures.append(error)
                    return error
                written += 1
                return None

        return await asyncio.gather(*(create(path, data) for path, data in objects))

    async def replace(self, path: str, data: bytes, etag: str) -> None:
        """Write over the version that `etag` names. Raises `ChangedError`."""
        STORE_REQUESTS.labels("put").inc()
        try:
            await obstore.put_async(
                self._store, self._prefix + path, data, mode={"e_tag": etag}, use_multipart=False
            )
        except (PreconditionError, FileNotFoundError):
            raise ChangedError(path) from None
        except (BaseError, OSError) as error:
            found = await self.get(path)
            if found is None or found.etag != etag:
                raise ChangedError(path) from None
            raise self._failed("writing", path, error) from None

    async def get(self, path: str) -> Found | None:
        """Read an object; None: there is none."""
        STORE_REQUESTS.labels("get").inc()
        try:
            found = await obstore.get_async(self._store, self._prefix + path)
            data = bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise self._failed("reading", path, error) from None
        return Found(data, found.meta["e_tag"] or "")

    async def list(self, prefix: str, after: str = "") -> AsyncIterator[Listed]:
        """All objects under `prefix`; those up to `after` are left out."""
        skip = len(self._prefix)
        offset = self._prefix + after if after else None
        STORE_REQUESTS.labels("list").inc()
        listed = 0
        try:
            async for some in obstore.list(self._store, self._prefix + prefix, offset=offset):
                for meta in some:
                    if listed and listed % PAGE_OBJECTS == 0:
                        STORE_REQUESTS.labels("list").inc()
                    listed += 1
                    yield Listed(meta["path"][skip:], meta["size"])
        except (BaseError, OSError) as error:
            raise self._failed("listing", prefix, error) from None

    async def delete(self, path: str) -> None:
        """Remove an object, if it is there."""
        STORE_REQUESTS.labels("delete").inc()
        try:
            await obstore.delete_async(self._store, self._prefix + path)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise self._failed("deleting", path, error) from None

    def _failed(self, doing: str, path: str, error: Exception) -> StoreError:
        said = str(error).partition("\nDebug source:")[0]
        code = _CODE.search(said)
        why = said.partition(": <?xml")[0].strip().splitlines()[0]
        return StoreError(f"{doing} {self}{path}: {why}" + (f" ({code[1]})" if code else ""))
