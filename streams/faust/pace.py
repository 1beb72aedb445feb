"""How often a consumer fetches: seldom while it keeps up, at once while it is behind, never in vain.

A broker answers a fetch as soon as it has a record for it, which under a steady load would be a fetch for
every batch of a producer. So a consumer that has read a node's partitions to their end waits for a moment
before it asks that node again, and then gets all that came meanwhile, of all partitions, in one answer. With
no traffic the fetch waits at the broker.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

Fetch = Callable[[Any, int, Any], Any]


class FetchPace:
    """Sits before a consumer's fetches. Runs in the consumer's event loop.

    `pause_s()`: seconds from an answer with records to the next fetch from the same node.
    """

    def __init__(self, pause_s: Callable[[], float]) -> None:
        self._pause_s = pause_s
        self._not_before: dict[int, float] = {}

    def attach(self, consumer: AIOKafkaConsumer) -> None:
        """Pace a consumer that has started."""
        fetcher: Any = consumer._fetcher
        self._fetch: Fetch = fetcher._proc_fetch_request
        fetcher._proc_fetch_request = self._paced

    async def _paced(self, assignment: Any, node: int, request: Any) -> bool:
        """aiokafka's own: fetch from a node; returns whether there are new records."""
        wait_s = self._not_before.get(node, 0.0) - time.monotonic()
        if wait_s > 0 and not _is_behind(assignment, request):
            try:
                await asyncio.sleep(wait_s)
            except asyncio.CancelledError:  # as where it is cancelled while it fetches
                return False
        has_records: bool = await self._fetch(assignment, node, request)
        if has_records:
            self._not_before[node] = time.monotonic() + self._pause_s()
        return has_records


def _is_behind(assignment: Any, request: Any) -> bool:
    """Whether a partition of the request had more records at its last fetch, or has not been fetched yet."""
    for topic, partitions in request.topics:
        for partition, offset, _ in partitions:
            end = assignment.state_value(TopicPartition(topic, partition)).lso
            if end is None or offset < end:
                return True
    return False
