"""The console over a feed that a test writes: the api's own app in a thread, at a clock that stands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.http.background.ops_topics import OpsTopics
from streams.settings import Settings
from tables.gates.alarms import Alarm
from tables.gates.records import GateRecord, encode_gate, key_of_record
from tables.read.state import FeedItem
from tables.views import VIEWS
from tests.support.feed_records import TOPIC
from tests.support.patience import PATIENCE
from tests.support.replica import SetClock, feed
from tests.support.served_app import serving


@contextmanager
def console_over(
    *records: FeedItem, gates: Iterable[GateRecord] = (), alarms: Iterable[Alarm] = ()
) -> Iterator[str]:
    """The console's URL. Nobody is asked for a token."""
    told: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    ops = OpsTopics(Settings.load({}))
    ops.gates = {key_of_record(one): encode_gate(one) for one in gates}
    for alarm in alarms:
        ops.alarms.take(alarm)
    ops.waiting_for = None
    thread = threading.Thread(target=lambda: asyncio.run(_serve(records, ops, told)))
    thread.start()
    url, loop, ended = told.result(20 * PATIENCE)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


async def _serve(
    records: Iterable[FeedItem],
    ops: OpsTopics,
    told: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]],
) -> None:
    replica = Replica(VIEWS, Settings.load({}), SetClock())
    replica.topics, replica.waiting_for = {TOPIC: 1}, None
    await feed(replica, *records)
    ended = asyncio.Event()
    try:
        async with serving(create_app(replica, ops=ops)) as url:
            told.set_result((url, asyncio.get_running_loop(), ended))
            await ended.wait()
            replica.end()
    except BaseException as error:
        if not told.done():
            told.set_exception(error)
        raise
    finally:
        replica.close()
