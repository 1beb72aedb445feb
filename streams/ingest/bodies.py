"""Bodies of requests: read up to a limit, and counted until Kafka has acknowledged what was in them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from streams import metrics
from streams.ingest.answers import RefusedRequestError

READ_SECONDS = 30.0
REQUEST_BYTES = 8192
"""What a request takes beside its body, about."""


class Budget:
    """How much may be held at a time, in bytes. One request is always taken, however large."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    @contextmanager
    def held(self) -> Iterator[Holding]:
        """What a request holds, given back at the end unless it was handed on."""
        holding = Holding(self)
        try:
            holding.take(REQUEST_BYTES)
            yield holding
        finally:
            if not holding.handed_on:
                holding.give_back()

    def has_room(self, count: int, own: int) -> bool:
        """Whether so much more may be held, by a request that holds `own` already."""
        return self._used + count <= self._limit or self._used == own

    def add(self, count: int) -> None:
        """Held, or given back where it is negative."""
        self._used += count
        metrics.INGEST_INFLIGHT.set(self._used)


class Holding:
    """What one request holds of a budget."""

    def __init__(self, budget: Budget) -> None:
        self.handed_on = False
        self._budget = budget
        self._bytes = 0

    def take(self, count: int) -> None:
        """Hold so much more. Raises `RefusedRequestError` if there is no room for it."""
        if not self._budget.has_room(count, self._bytes):
            raise RefusedRequestError(
                503,
                "more is under way to Kafka than SLUICE_INGEST_INFLIGHT_BYTES: send it again",
                retry_after=1,
            )
        self._bytes += count
        self._budget.add(count)

    def give_back(self) -> None:
        """All of it."""
        self._budget.add(-self._bytes)
        self._bytes = 0


async def body_of(request: Request, limit: int, holding: Holding) -> bytes:
    """A request's body. Raises `RefusedRequestError`: too large, too slow, packed, or no room for it."""
    too_large = RefusedRequestError(
        413, f"a body may have {limit} bytes (SLUICE_INGEST_BODY_BYTES): send the events in several requests"
    )
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise RefusedRequestError(415, "the body is packed (Content-Encoding): send it as it is")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise too_large
    chunks: list[bytes] = []
    length = 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                length += len(chunk)
                if length > limit:
                    raise too_large
                holding.take(len(chunk))
                chunks.append(chunk)
    except TimeoutError:
        raise RefusedRequestError(408, f"the body did not come within {READ_SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise RefusedRequestError(400, "the body ended too early") from None
    return b"".join(chunks)
