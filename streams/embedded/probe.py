"""Does a Kafka broker answer at an address, and of which cluster? One request for metadata.

A TCP connect is not enough: a broker accepts connections before it serves, and it may be something else. An
admin client would log each refusal as an error, while a broker starts twenty times a second.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest


def probe_cluster_id(host: str, port: int, timeout_seconds: float = 2.0) -> str | None:
    """The cluster's id if a live broker serves metadata there, else None, whatever the network does."""
    with ThreadPoolExecutor(1) as thread:  # a loop of its own, also where one runs
        return thread.submit(asyncio.run, _ask(host, port, timeout_seconds)).result()


async def _ask(host: str, port: int, timeout_seconds: float) -> str | None:
    try:
        async with asyncio.timeout(timeout_seconds):
            connection = await create_conn(host, port)
            try:
                answer = await connection.send(MetadataRequest([]))
            finally:
                connection.close()
    except (KafkaError, OSError, ValueError):
        return None
    cluster_id: str | None = answer.cluster_id
    return cluster_id if answer.brokers else None
