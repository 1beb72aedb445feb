"""What goes on beside the answers, and what it is that ends the api."""

from __future__ import annotations

import asyncio

import pytest

from streams.http.background.beside import Beside
from tables.keys import FeedFormatError


async def ends_with(error: Exception) -> None:
    raise error


async def for_ever(ending: Exception | None = None) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        if ending is not None:
            raise ending


async def at_once() -> None:
    """Has nothing left to do."""


async def test_what_fails_ends_the_api_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    stopped = asyncio.Event()
    beside = Beside(stopped.set)
    beside.start("one", for_ever())
    beside.start("another", at_once())
    beside.start("the keys", ends_with(TypeError("unhashable type: 'list'")))
    await stopped.wait()
    assert await beside.end() == "the keys can't be followed: unhashable type: 'list'"
    assert "following the keys failed" in caplog.text
    assert "Traceback" in caplog.text


async def test_what_is_no_fault_of_ours_is_told_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    stopped = asyncio.Event()
    beside = Beside(stopped.set)
    beside.start("the feed", ends_with(FeedFormatError("of format 9")))
    await stopped.wait()
    assert await beside.end() == "the feed can't be followed: of format 9"
    assert not caplog.records


async def test_the_end_itself_is_no_failure() -> None:
    stopped = asyncio.Event()
    beside = Beside(stopped.set)
    for ending in (None, OSError("a connection that was closed")):
        beside.start("one", for_ever(ending))
    beside.start("another", at_once())
    await asyncio.sleep(0)
    assert await beside.end() is None
