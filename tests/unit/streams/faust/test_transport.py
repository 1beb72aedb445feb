"""The consumer's thread: its end is told, not its loop's."""

from __future__ import annotations

import asyncio

from mode.utils.locks import Event

from streams.faust.transport import BatchConsumerThread


def test_a_thread_that_crashed_is_stopped_without_a_traceback() -> None:
    thread = BatchConsumerThread.__new__(BatchConsumerThread)
    loop = asyncio.new_event_loop()
    loop.close()
    thread.thread_loop, thread._stopped = loop, Event()
    thread._stopped_set()
