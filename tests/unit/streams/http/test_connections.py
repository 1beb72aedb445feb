"""Connections that keep the api waiting: none stays for ever, and none can't be closed for another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from streams.http.connection import connections
from streams.http.connection.connections import Waiting, bounded
from tests.support.kafka import wait_until
from tests.support.patience import PATIENCE
from tests.support.served_app import serving

MOST = 4
SOON = 0.2
HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
ASKED = HEAD + b"\r\n"
ANNOUNCED = HEAD + b"Content-Length: 3\r\n\r\n"
LONG = "/long"


class Client:
    """A connection of somebody else's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answered(self) -> None:
        async with asyncio.timeout(20 * PATIENCE):
            assert (await self.reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")

    async def closed(self, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
        """Wait until the api has closed it; nothing more may come."""
        ended = asyncio.ensure_future(self._ended())

        async def has_ended() -> bool:
            if meanwhile is not None:
                await meanwhile()
            return ended.done()

        await wait_until(has_ended, "the connection's end")
        assert ended.result() == b""

    async def _ended(self) -> bytes:
        with contextlib.suppress(ConnectionError):
            return await self.reader.read()
        return b""


class Api:
    """One that answers `ok`, and at `LONG` when it is let."""

    def __init__(self, waiting: Waiting, url: str, let: asyncio.Event) -> None:
        self.waiting = waiting
        self.let = let
        self._port = urlsplit(url).port
        self._clients: list[Client] = []

    async def connected(self, sent: bytes = b"") -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port))
        self._clients.append(client)
        client.writer.write(sent)
        return client

    async def leave(self) -> None:
        """Close whatever is open."""
        for client in self._clients:
            client.writer.close()
            with contextlib.suppress(ConnectionError):
                await client.writer.wait_closed()


@asynccontextmanager
async def api(keep_alive_seconds: int = 600) -> AsyncIterator[Api]:
    let = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == LONG:
            await let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    protocol, waiting = bounded(MOST)
    async with serving(app, http=protocol, timeout_keep_alive=keep_alive_seconds) as url:
        made = Api(waiting, url, let)
        try:
            yield made
        finally:
            await made.leave()


def test_handshakes_which_are_not_counted_have_files_left() -> None:
    _, plain = bounded(1 << 40)
    _, encrypted = bounded(1 << 40, tls=True)
    assert 0 < encrypted.most <= plain.most * 3 / 4
    assert bounded(MOST, tls=True)[1].most == MOST


async def test_a_body_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SOON)
    async with api() as served:
        client = await served.connected(ANNOUNCED)
        await client.answered()
        client.writer.write(b"x")
        await client.closed(served.waiting.close_late)


async def test_a_body_that_comes_byte_by_byte_has_its_time_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SOON)
    async with api() as served:
        client = await served.connected(HEAD + b"Content-Length: 60000\r\n\r\n")
        await client.answered()

        async def another_byte() -> None:
            client.writer.write(b"x")
            await served.waiting.close_late()

        await client.closed(another_byte)


async def test_connections_that_owe_a_body_make_room() -> None:
    async with api() as served:
        owing = [await served.connected(ANNOUNCED) for _ in range(MOST)]
        for client in owing:
            await client.answered()
            client.writer.write(b"x")
        newest = await served.connected(ASKED)
        await newest.answered()
        await owing[0].closed()


async def test_a_late_body_is_the_end_of_its_request() -> None:
    async with api(keep_alive_seconds=1) as served:
        client = await served.connected(ANNOUNCED)
        await client.answered()
        client.writer.write(b"x")
        client.writer.write(b"xx")
        client.writer.write(ASKED)
        await client.answered()
        await client.closed()


async def test_one_that_has_sent_its_late_body_does_not_rest_for_ever() -> None:
    async with api(keep_alive_seconds=1) as served:
        client = await served.connected(ANNOUNCED)
        await client.answered()
        client.writer.write(b"xxx")
        await client.closed()


async def test_what_is_being_answered_is_not_closed_for_another() -> None:
    """Its first request was answered when the second, sent with it, had begun."""
    async with api() as served:
        client = await served.connected(ASKED + b"GET /long HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await client.answered()
        others = [await served.connected(ASKED) for _ in range(3 * MOST)]
        for other in others[-MOST + 1 :]:
            await other.answered()
        served.let.set()
        await client.answered()


async def test_the_begin_of_a_next_request_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SOON)
    async with api() as served:
        client = await served.connected(ASKED + b"GET /")
        await client.answered()
        await client.closed(served.waiting.close_late)
