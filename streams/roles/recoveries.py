"""Partitions that are recovered while others are already read.

An assignment waits a moment for all of its partitions, as most recoveries are quick. Longer recoveries
continue in the background, so that neither a large partition, a busy machine nor a store that does not answer
keeps the other partitions from being read.
Until then a partition is parked at its end, and what is fetched of it is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from faust.types import TP

from streams.clock import Clock
from streams.roles.partition import Partition

log = logging.getLogger(__name__)

READY_SECONDS = 5.0
STALL_SECONDS = 85.0
"""A recovery without progress for this long ends the process: only a new process helps."""
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.02


P = TypeVar("P", bound=Partition)
T = TypeVar("T")


class RecoveryStuckError(Exception):
    """A recovery made no progress for `STALL_SECONDS`; `str()` names the partition."""


class RecoveryProgress:
    """How long a recovery has made no progress, in beats of its watch: time in which this process did not run
    at all does not count.
    """

    def __init__(self) -> None:
        self.still_seconds = 0.0

    def moved(self) -> None:
        """Something has been read, or what was waited for has been checked."""
        self.still_seconds = 0.0

    def counting(self, restore: Callable[[T], None]) -> Callable[[T], None]:
        """`restore`, each call of which is progress."""

        def restore_and_move(records: T) -> None:
            restore(records)
            self.still_seconds = 0.0

        return restore_and_move


async def watched(recovery: Coroutine[Any, Any, P], progress: RecoveryProgress, what: str) -> P:
    """Run a recovery while it makes progress. Raises `RecoveryStuckError`, and what the recovery raises."""
    task = asyncio.create_task(recovery, name=what)
    try:
        await _until_done(task, progress, what)
    except BaseException:
        task.cancel()
        await _discard([task])
        raise
    return task.result()


async def _until_done(task: asyncio.Task[Any], progress: RecoveryProgress, what: str) -> None:
    while not task.done():
        await asyncio.wait({task}, timeout=BEAT_SECONDS)
        progress.still_seconds += BEAT_SECONDS
        if progress.still_seconds > STALL_SECONDS and not task.done():
            raise RecoveryStuckError(f"{what}: nothing moved in {STALL_SECONDS:.0f} s")


class _Waiting(NamedTuple, Generic[P]):
    """A background recovery. `since_ms`: wall clock; `finishing` installs the result of `recovering`."""

    since_ms: int
    recovering: asyncio.Task[P]
    finishing: asyncio.Task[None]


class Recoveries(Generic[P]):
    """The recoveries of one worker. Its owner holds `lock` while it changes what is owned.

    `recover(tp, kept)` returns a partition that this worker owns, from what was kept of it if possible;
    `install(tp, owned)` is called under the lock when reading is to continue, in generation `generation()`;
    `epoch(tp)` counts the seeks of a partition; `crash` ends the process.
    """

    def __init__(
        self,
        lock: asyncio.Lock,
        recover: Callable[[TP, P | None], Coroutine[Any, Any, P]],
        install: Callable[[TP, P], Awaitable[None]],
        crash: Callable[[BaseException], Awaitable[None]],
        *,
        generation: Callable[[], int],
        epoch: Callable[[TP], int],
        clock: Clock,
    ) -> None:
        self._lock = lock
        self._recover = recover
        self._install = install
        self._crash = crash
        self._generation = generation
        self._epoch = epoch
        self._clock = clock
        self._drained = False
        self._begun: set[asyncio.Task[P]] = set()
        self._waiting: dict[TP, _Waiting[P]] = {}
        self._parked_at: dict[TP, int] = {}

    @property
    def waiting(self) -> Mapping[TP, int]:
        """What is being recovered in the background, and since when (wall clock, ms)."""
        return {tp: waiting.since_ms for tp, waiting in self._waiting.items()}

    async def begin(self, partitions: Mapping[TP, P | None]) -> dict[TP, P]:
        """Recover, or prove those that were kept; returns what is ready within a moment."""
        begun = {tp: self._task(tp, kept) for tp, kept in partitions.items()}
        self._begun = {task for tp, task in begun.items() if partitions[tp] is None}
        try:
            if begun:
                waits = asyncio.FIRST_EXCEPTION
                await asyncio.wait(begun.values(), timeout=READY_SECONDS, return_when=waits)
            for task in filter(_failure, begun.values()):
                task.result()
        except BaseException:
            await _discard(begun.values())
            raise
        finally:
            self._begun = set()
        for tp, task in begun.items():
            if not task.done() and not self._drained:
                self._go_on(tp, task)
        if self._drained:
            await _discard(task for task in begun.values() if not task.done())
        return {tp: task.result() for tp, task in begun.items() if task.done() and not task.cancelled()}

    def recover_in_background(self, tp: TP, kept: P) -> None:
        """Recover in the background what has failed."""
        self._go_on(tp, self._task(tp, kept))

    def park(self) -> None:
        """Partitions waiting now will be sought to their end: nothing is installed before that."""
        self._parked_at = {tp: self._epoch(tp) for tp in self._waiting}

    async def stop(self, tps: Iterable[TP]) -> None:
        """Stop recovering these, and release what has been recovered."""
        stopped = [self._waiting.pop(tp) for tp in tps]
        for waiting in stopped:
            waiting.finishing.cancel()
        await asyncio.gather(*(waiting.finishing for waiting in stopped), return_exceptions=True)
        await _discard(waiting.recovering for waiting in stopped)

    async def drain(self) -> None:
        """Release all, including what an assignment is waiting for; nothing is recovered after it."""
        self._drained = True
        for task in self._begun:
            task.cancel()
        await self.stop(list(self._waiting))

    def _task(self, tp: TP, kept: P | None) -> asyncio.Task[P]:
        return asyncio.create_task(self._recover(tp, kept), name=f"recover-{tp.topic}-{tp.partition}")

    def _go_on(self, tp: TP, task: asyncio.Task[P]) -> None:
        name = f"late-{tp.topic}-{tp.partition}"
        finishing = asyncio.create_task(self._finish(tp, task, self._generation()), name=name)
        self._waiting[tp] = _Waiting(self._clock.wall_ms(), task, finishing)

    async def _finish(self, tp: TP, task: asyncio.Task[P], generation: int) -> None:
        owned: P | None = None
        try:
            owned = await task
            while not await self._installed(tp, owned, generation):
                if owned.failure is not None:
                    generation = self._generation()
                    await owned.release()
                    owned = None
                    owned = await self._recover(tp, None)
                await asyncio.sleep(LOOK_SECONDS)
            owned = None
        except Exception as error:  # noqa: BLE001 - whatever it is, the partition would stall silently
            await self._crash(error)
        finally:
            if owned is not None:
                await owned.release()

    async def _installed(self, tp: TP, owned: P, generation: int) -> bool:
        """Whether it is being read now, which requires that the seek to its end is done."""
        async with self._lock:
            waiting = self._waiting.get(tp)
            if waiting is None or waiting.finishing is not asyncio.current_task():
                raise asyncio.CancelledError
            if self._epoch(tp) <= self._parked_at.get(tp, -1):
                return False
            # Another worker may have owned it in between: a transaction proves that it is as it was read.
            if generation != self._generation() and not await owned.still_ours():
                return False
            del self._waiting[tp]
            await self._install(tp, owned)
            return True


def _failure(task: asyncio.Task[P]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


async def _discard(tasks: Iterable[asyncio.Task[P]]) -> None:
    """Cancel them, and release what they have recovered."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(outcome, BaseException):
            await outcome.release()
