"""Partitions that are recovered while others are read already.

An assignment waits a moment for all of its partitions, as most recoveries are quick; what takes longer goes
on in the background, so that neither a large partition nor a busy machine keeps the others from reading.
Until then a partition is parked at its end, and what is fetched of it is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any

from faust.types import TP

from streams.bus.owned import OwnedPartition

log = logging.getLogger(__name__)

READY_SECONDS = 5.0
STILL_SECONDS = 85.0
"""A recovery in which nothing moves for so long ends the process: only a new one helps."""
BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.02


class RecoveryStuckError(Exception):
    """Nothing moved in a recovery for `STILL_SECONDS`; `str()` names the partition."""


class Progress:
    """How long a recovery has not moved, in beats of its watch: time in which this process did not run at all
    is nobody's standing still."""

    def __init__(self) -> None:
        self.still_seconds = 0.0

    def moved(self) -> None:
        """Something has been read, or what was waited for has been looked at."""
        self.still_seconds = 0.0

    def counting(
        self, restore: Callable[[bytes, bytes | None], None]
    ) -> Callable[[bytes, bytes | None], None]:
        """`restore`, and every record is a move."""

        def restore_and_move(key: bytes, value: bytes | None) -> None:
            restore(key, value)
            self.still_seconds = 0.0

        return restore_and_move


async def watched(
    recovery: Coroutine[Any, Any, OwnedPartition], progress: Progress, what: str
) -> OwnedPartition:
    """Run a recovery as long as it moves. Raises `RecoveryStuckError`, and what the recovery raises."""
    task = asyncio.create_task(recovery, name=what)
    try:
        await _until_done(task, progress, what)
    except BaseException:
        task.cancel()
        (recovered,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(recovered, OwnedPartition):  # it had ended in that very moment
            await recovered.close()
        raise
    return task.result()


async def _until_done(task: asyncio.Task[OwnedPartition], progress: Progress, what: str) -> None:
    while not task.done():
        await asyncio.wait({task}, timeout=BEAT_SECONDS)
        progress.still_seconds += BEAT_SECONDS
        if progress.still_seconds > STILL_SECONDS and not task.done():
            raise RecoveryStuckError(f"{what}: nothing moved in {STILL_SECONDS:.0f} s")


class Late:
    """The recoveries of one worker. Its owner holds `lock` while it changes what is owned.

    `recover(tp, kept)` gives a partition that is ours; `install(tp, owned)` is called under the lock when it
    is to be read on, in generation `generation()`; `epoch(tp)` counts the seeks of a partition; `crash` ends
    the process.
    """

    def __init__(
        self,
        lock: asyncio.Lock,
        recover: Callable[[TP, OwnedPartition | None], Coroutine[Any, Any, OwnedPartition]],
        install: Callable[[TP, OwnedPartition], Awaitable[None]],
        crash: Callable[[BaseException], Awaitable[None]],
        *,
        generation: Callable[[], int],
        epoch: Callable[[TP], int],
    ) -> None:
        self._lock = lock
        self._recover = recover
        self._install = install
        self._crash = crash
        self._generation = generation
        self._epoch = epoch
        self._drained = False
        self._begun: set[asyncio.Task[OwnedPartition]] = set()
        self._waiting: dict[TP, asyncio.Task[None]] = {}
        self._recovering: dict[TP, asyncio.Task[OwnedPartition]] = {}
        self._parked_at: dict[TP, int] = {}

    @property
    def waiting(self) -> Collection[TP]:
        """What is being recovered in the background."""
        return self._waiting.keys()

    async def begin(self, partitions: Mapping[TP, OwnedPartition | None]) -> dict[TP, OwnedPartition]:
        """Recover, or prove those that were kept; answers what is ready within a moment."""
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

    def park(self) -> None:
        """What is waiting now is going to be sought to its end: nothing is installed before that."""
        self._parked_at = {tp: self._epoch(tp) for tp in self._waiting}

    async def stop(self, tps: Iterable[TP]) -> None:
        """Recover these no longer, and let go of what has been recovered."""
        stopped = [(self._waiting.pop(tp), self._recovering.pop(tp)) for tp in tps]
        for finishing, _ in stopped:
            finishing.cancel()
        await asyncio.gather(*(finishing for finishing, _ in stopped), return_exceptions=True)
        await _discard(recovering for _, recovering in stopped)

    async def drain(self) -> None:
        """Let go of all, also of what an assignment is waiting for; nothing is recovered after it."""
        self._drained = True
        for task in self._begun:
            task.cancel()
        await self.stop(list(self._waiting))

    def _task(self, tp: TP, kept: OwnedPartition | None) -> asyncio.Task[OwnedPartition]:
        return asyncio.create_task(self._recover(tp, kept), name=f"recover-{tp.topic}-{tp.partition}")

    def _go_on(self, tp: TP, task: asyncio.Task[OwnedPartition]) -> None:
        name = f"late-{tp.topic}-{tp.partition}"
        self._recovering[tp] = task
        self._waiting[tp] = asyncio.create_task(self._finish(tp, task, self._generation()), name=name)

    async def _finish(self, tp: TP, task: asyncio.Task[OwnedPartition], generation: int) -> None:
        owned: OwnedPartition | None = None
        try:
            owned = await task
            while not await self._installed(tp, owned, generation):
                if owned.failed:
                    generation = self._generation()
                    await owned.close()
                    owned = None
                    owned = await self._recover(tp, None)
                await asyncio.sleep(LOOK_SECONDS)
            owned = None
        except Exception as error:  # noqa: BLE001 - whatever it is, the partition would stand still in silence
            await self._crash(error)
        finally:
            if owned is not None:
                await owned.close()

    async def _installed(self, tp: TP, owned: OwnedPartition, generation: int) -> bool:
        """Whether it is being read now, which needs the seek to its end to lie behind us."""
        async with self._lock:
            if self._waiting.get(tp) is not asyncio.current_task():
                raise asyncio.CancelledError
            if self._epoch(tp) <= self._parked_at.get(tp, -1):
                return False
            # Somebody else may have had it in between: a transaction proves that it is as we read it.
            if generation != self._generation() and not await owned.still_ours():
                return False
            del self._waiting[tp], self._recovering[tp]
            await self._install(tp, owned)
            return True


def _failure(task: asyncio.Task[OwnedPartition]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


async def _discard(tasks: Iterable[asyncio.Task[OwnedPartition]]) -> None:
    """Cancel them, and close what they have recovered."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, OwnedPartition):
            await outcome.close()
