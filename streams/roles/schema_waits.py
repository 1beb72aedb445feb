"""Partitions whose next record has a schema about which nothing is decided: the others do not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from faust.types import TP

from schemas.validation.avro.known_schemas import UndecidedError
from streams import metrics
from streams.health import Health
from streams.registry.schemas import Schemas
from streams.roles.partition import Partition

AT_ONCE_SECONDS = 0.5
"""For so long all partitions wait: a registry answers sooner, as a rule."""
NAMED = 3
"""So many partitions, and schemas of each, are named in /readyz."""

P = TypeVar("P", bound=Partition)


class _Wait(NamedTuple):
    """`ids`: the schemas that it began to wait for."""

    task: asyncio.Task[None]
    ids: tuple[int, ...]


class SchemaWaits(Generic[P]):
    """The waits of one worker of a role, told in `health` and counted in `sluice_waiting_partitions`.
    `park(tp, partition)` stops reading a partition, `resume(tp, partition)` reads it again from its position,
    if it is still owned; `crash` ends the process."""

    def __init__(
        self,
        schemas: Schemas,
        park: Callable[[TP, P], Awaitable[None]],
        resume: Callable[[TP, P], Awaitable[None]],
        crash: Callable[[BaseException], Awaitable[None]],
        *,
        role: str,
        health: Health,
    ) -> None:
        self._gauge = metrics.WAITING_PARTITIONS.labels(role, "schemas")
        self._health = health
        self._schemas = schemas
        self._park = park
        self._resume = resume
        self._crash = crash
        self._waiting: dict[TP, _Wait] = {}
        self._report()

    def __contains__(self, tp: TP) -> bool:
        """Whether it waits."""
        return tp in self._waiting

    async def decided(self, tp: TP, partition: P, undecided: UndecidedError) -> bool:
        """Whether it is decided within a moment; otherwise the partition is parked, and resumed later."""
        deciding = asyncio.create_task(self._schemas.decide(undecided.ids), name=f"schemas-{tp.partition}")
        try:
            await asyncio.wait({deciding}, timeout=AT_ONCE_SECONDS)
            if deciding.done():
                deciding.result()
                return True
            await self._park(tp, partition)
        except BaseException:
            deciding.cancel()
            raise
        await self.stop([tp])
        waiting = asyncio.create_task(self._wait(tp, partition, deciding), name=f"waits-{tp.partition}")
        self._waiting[tp] = _Wait(waiting, tuple(undecided.ids))
        self._report()
        return False

    async def stop(self, tps: Iterable[TP] | None = None) -> None:
        """Wait for these no longer, without any: for all."""
        stopped = [self._waiting.pop(tp) for tp in list(self._waiting if tps is None else tps) if tp in self]
        self._report()
        for wait in stopped:
            wait.task.cancel()
        await asyncio.gather(*(wait.task for wait in stopped), return_exceptions=True)

    async def _wait(self, tp: TP, partition: P, deciding: asyncio.Task[None]) -> None:
        try:
            await deciding
        except Exception as error:  # noqa: BLE001 - whatever it is, the partition would stall silently
            await self._crash(error)
            return
        finally:
            deciding.cancel()
        wait = self._waiting.get(tp)
        if wait is not None and wait.task is asyncio.current_task():
            del self._waiting[tp]
            self._report()
            await self._resume(tp, partition)

    def _report(self) -> None:
        self._gauge.set(len(self._waiting))
        waits = [
            f"{tp.topic}-{tp.partition} for {'schema' if len(wait.ids) == 1 else 'schemas'} {_some(wait.ids)}"
            for tp, wait in sorted(self._waiting.items())
        ]
        self._health.held_back = _some(waits) or None


def _some(named: Sequence[object]) -> str:
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join(map(str, named[:NAMED])) + more
