"""When a consumer fetches again: at once while it is behind, after a pause when it has read to the end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from streams.faust.pace import FetchPace

LONG_SECONDS = 600.0
TOPIC = "raw"


class Fetcher:
    """Answers each fetch as told, and notes the nodes asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.has_records = True
        self._proc_fetch_request = self.fetch

    async def fetch(self, assignment: Any, node: int, request: Any) -> bool:  # noqa: ARG002 - aiokafka's
        self.asked.append(node)
        return self.has_records


class Ends:
    """An assignment: where its partitions ended at their last fetch; None: they have not been fetched."""

    def __init__(self, *ends: int | None) -> None:
        self._ends = ends

    def state_value(self, tp: TopicPartition) -> Any:
        return SimpleNamespace(lso=self._ends[tp.partition])


def request(*offsets: int) -> Any:
    return SimpleNamespace(topics=[(TOPIC, [(number, offset, 1) for number, offset in enumerate(offsets)])])


def paced(fetcher: Fetcher) -> Any:
    FetchPace(lambda: LONG_SECONDS).attach(SimpleNamespace(_fetcher=fetcher))
    return fetcher._proc_fetch_request


async def waits(fetch: Any) -> bool:
    """Whether it waits; it is then cancelled, as aiokafka does when partitions are revoked."""
    task = asyncio.ensure_future(fetch)
    done, _ = await asyncio.wait({task}, timeout=0.05)
    if done:
        return False
    task.cancel()
    assert await task is False, "aiokafka awaits it without expecting a cancellation"
    return True


async def test_what_was_read_to_its_end_is_fetched_after_a_pause() -> None:
    fetcher = Fetcher()
    fetch = paced(fetcher)
    assert await fetch(Ends(None, None), 1, request(0, 0)) is True
    assert await waits(fetch(Ends(10, 20), 1, request(10, 20)))
    assert fetcher.asked == [1]


async def test_a_partition_that_is_behind_is_fetched_at_once() -> None:
    fetcher = Fetcher()
    fetch = paced(fetcher)
    await fetch(Ends(None, None), 1, request(0, 0))
    assert not await waits(fetch(Ends(10, 20), 1, request(10, 19)))
    assert fetcher.asked == [1, 1]


async def test_a_partition_that_was_not_fetched_yet_is_fetched_at_once() -> None:
    fetcher = Fetcher()
    fetch = paced(fetcher)
    await fetch(Ends(None), 1, request(0))
    assert not await waits(fetch(Ends(10, None), 1, request(10, 0)))


async def test_an_answer_without_records_is_not_waited_after() -> None:
    fetcher = Fetcher()
    fetch = paced(fetcher)
    fetcher.has_records = False
    assert await fetch(Ends(10), 1, request(10)) is False
    assert not await waits(fetch(Ends(10), 1, request(10)))


async def test_nodes_have_paces_of_their_own() -> None:
    fetcher = Fetcher()
    fetch = paced(fetcher)
    await fetch(Ends(None), 1, request(0))
    assert not await waits(fetch(Ends(10), 2, request(10)))
    assert fetcher.asked == [1, 2]


async def test_the_pause_ends() -> None:
    fetcher = Fetcher()
    FetchPace(lambda: 0.01).attach(SimpleNamespace(_fetcher=fetcher))
    await fetcher._proc_fetch_request(Ends(None), 1, request(0))
    assert await asyncio.wait_for(fetcher._proc_fetch_request(Ends(10), 1, request(10)), 30) is True
