"""Replaying sources into a topic: as fast as Kafka takes them, or at a rate.

A thread reads, parses and shifts; the event loop sends. So a slow pipe on standard input holds nothing back,
and Ctrl-C ends a replay even while the thread waits for input.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from streams.kafka.producer import Outbox, outbox
from streams.settings import Settings
from streams.sources.rebase import shift
from streams.sources.record import Record, Source, SourceError

READ_AHEAD = 5_000
CHUNK = 500
IDLE_SECONDS = 0.01
PACE_SECONDS = 0.02
REPORT_SECONDS = 0.2
GIVE_UP_SECONDS = 5.0


@dataclass
class Progress:
    """How far a replay is. `fraction` is 0 to 1, None where a source's size is unknown."""

    sent: int = 0
    acknowledged: int = 0
    value_bytes: int = 0
    seconds: float = 0.0
    fraction: float | None = None
    unanswered_seconds: float = 0.0
    interrupted: bool = False

    @property
    def rate(self) -> float:
        """Records acknowledged a second, since the first was sent."""
        return self.acknowledged / self.seconds if self.seconds else 0.0


Report = Callable[[Progress], None]


_Item = tuple[Record, str]
"""A record, and where it comes from."""


class _Reader:
    """Reads all sources in a thread of its own, at most `READ_AHEAD` records ahead."""

    def __init__(self, sources: Sequence[Source], by: timedelta | None) -> None:
        self._sources = sources
        self._by = by
        self._items: deque[_Item] = deque()
        self._room = threading.Semaphore(READ_AHEAD)
        self._index = 0
        self._stopped = False
        self._finished = False
        self._error: BaseException | None = None
        # A daemon: it may be waiting for standard input when the replay is to end.
        threading.Thread(target=self._run, name="replay-reader", daemon=True).start()

    @property
    def fraction(self) -> float | None:
        """How much of all sources is read; None where it is unknown."""
        if self._index >= len(self._sources):
            return 1.0
        part = self._sources[self._index].fraction
        return None if part is None else (self._index + part) / len(self._sources)

    def take(self, limit: int) -> list[_Item] | None:
        """Up to `limit` of the next records; empty if none has come yet, None at the end."""
        finished = self._finished
        items = [self._items.popleft() for _ in range(min(limit, len(self._items)))]
        if items:
            self._room.release(len(items))
        if items or not finished:
            return items
        if self._error is not None:
            raise self._error
        return None

    def stop(self) -> None:
        """Read no further."""
        self._stopped = True
        self._room.release()

    def _run(self) -> None:
        try:
            for index, source in enumerate(self._sources):
                self._index = index
                for record in source.records():
                    self._room.acquire()
                    if self._stopped:
                        return
                    moved = record if self._by is None else shift(record, self._by)
                    self._items.append((moved, f"{source.name}, line {record.line}"))
            self._index = len(self._sources)
        except BaseException as error:  # noqa: BLE001 - raised again by take()
            self._error = error
        finally:
            self._finished = True


@dataclass(frozen=True)
class Replay:
    """What to send where. `rate`: records a second, or as fast as Kafka takes them. `by` shifts times."""

    sources: Sequence[Source]
    topic: str
    rate: float | None = None
    by: timedelta | None = None


async def run(settings: Settings, plan: Replay, stop: asyncio.Event, report: Report) -> Progress:
    """Send all records; return when Kafka has acknowledged every one, or soon after `stop` is set.

    `report` is called a few times a second. Raises `SourceError` and `RefusedError`.
    """
    progress = Progress()
    sending = asyncio.create_task(_send(settings, plan, stop, progress, report))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({sending, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not sending.done():  # stopped: what is under way may still be acknowledged
        await asyncio.wait({sending}, timeout=GIVE_UP_SECONDS)
        sending.cancel()
        await asyncio.wait({sending})
    progress.interrupted = stop.is_set()
    if not sending.cancelled():
        sending.result()
    return progress


async def _send(
    settings: Settings, plan: Replay, stop: asyncio.Event, progress: Progress, report: Report
) -> None:
    async with outbox(settings, plan.topic) as box:
        reader = _Reader(plan.sources, plan.by)
        started = time.monotonic()

        def update() -> None:
            progress.acknowledged = box.acknowledged
            progress.seconds = time.monotonic() - started
            progress.fraction = reader.fraction
            progress.unanswered_seconds = box.unanswered_seconds

        reporting = asyncio.create_task(_report(update, progress, report))
        try:
            try:
                await _pump(reader, box, plan.rate, stop, progress)
            except SourceError:  # what came before the damage is sent, and told
                await box.settle()
                raise
            await box.settle()
        finally:
            reader.stop()
            reporting.cancel()
            update()
            report(progress)


async def _report(update: Callable[[], None], progress: Progress, report: Report) -> None:
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        update()
        report(progress)


async def _pump(
    reader: _Reader, box: Outbox, rate: float | None, stop: asyncio.Event, progress: Progress
) -> None:
    """Move records from the reader to the outbox until the end, or until `stop`."""
    started = time.monotonic()
    limit = CHUNK if rate is None else max(1, min(CHUNK, int(rate * PACE_SECONDS)))
    while not stop.is_set():
        items = reader.take(limit)
        if items is None:
            return
        for record, origin in items:
            await box.add(record.key, record.value, origin)
            progress.sent += 1
            progress.value_bytes += len(record.value or b"")
        ahead = started + progress.sent / rate - time.monotonic() if rate else 0.0
        if not items or ahead > 0:
            await box.flush()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(ahead, IDLE_SECONDS))
        else:
            await asyncio.sleep(0)
