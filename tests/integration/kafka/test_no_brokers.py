"""A broker that answers and lists no broker yet, as one does that stood still for longer than its session."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.protocol import metadata

from streams.embedded.broker import EmbeddedKafka
from streams.health import Health
from streams.kafka import topics
from streams.kafka.availability import connected_admin
from streams.roles.lifecycle import topics_there
from streams.settings import Settings

METADATA = 3
NOBODY = 1
"""A port that only root may listen on, and nobody does."""


class Proxy:
    """Hands requests on to a real broker. Lists no brokers in its first `empty` answers about metadata, and
    in the `away` next ones those that there are at a port where nobody listens."""

    def __init__(self, bootstrap: str, *, empty: int = 0, away: int = 0) -> None:
        self.empty, self.away = empty, away
        self._host, _, port = bootstrap.rpartition(":")
        self._port = int(port)
        self.at = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_kafka, to_kafka = await asyncio.open_connection(self._host, self._port)
        try:
            while True:
                request = await _frame(reader)
                kind, version = struct.unpack_from(">hh", request)
                to_kafka.write(struct.pack(">i", len(request)) + request)
                answer = await _frame(from_kafka)
                if kind == METADATA:
                    answer = answer[:4] + self._metadata(answer[4:], version)
                writer.write(struct.pack(">i", len(answer)) + answer)
        except asyncio.IncompleteReadError:
            pass  # the client has left
        finally:
            to_kafka.close()
            writer.close()

    def _metadata(self, body: bytes, version: int) -> bytes:
        response = getattr(metadata, f"MetadataResponse_v{version}").decode(body)
        if self.empty:
            self.empty -= 1
            response.brokers = []
        elif self.away:
            self.away -= 1
            response.brokers = [(node, host, NOBODY, *rack) for node, host, _, *rack in response.brokers]
        encoded: bytes = response.encode()
        return encoded


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


async def test_a_client_waits_until_brokers_are_listed(kafka: EmbeddedKafka, prefix: str) -> None:
    async with (
        Proxy(kafka.bootstrap, empty=2).running() as proxy,
        asyncio.timeout(60),
        connected_admin(_settings(proxy, prefix)) as admin,
    ):
        assert proxy.empty == 0
        await admin.list_topics()


async def test_a_worker_waits_while_looking_at_the_topics_fails(kafka: EmbeddedKafka, prefix: str) -> None:
    await topics.create(Settings.load({"SLUICE_KAFKA": kafka.bootstrap, "SLUICE_PREFIX": prefix}))
    async with Proxy(kafka.bootstrap, empty=1, away=2).running() as proxy, asyncio.timeout(60):
        assert await topics_there(_settings(proxy, prefix), "views", Health(), asyncio.Event())
        assert (proxy.empty, proxy.away) == (0, 0)


def _settings(proxy: Proxy, prefix: str) -> Settings:
    return Settings.load({"SLUICE_KAFKA": proxy.at, "SLUICE_PREFIX": prefix})
