"""Partitions whose next record has a schema about which nothing is decided: the others do not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from faust.types import TP

from schemas.validation.avro.known_schemas import UndecidedError
from streams.registry.schemas import Schemas
from streams.roles.partition import Partition

AT_ONCE_SECONDS = 0.5
"""For so long all partitions wait: a registry answers sooner, as a rule."""

P = TypeVar("P", bound=Partition)


class SchemaWaits(Generic[P]):
    """The waits of one worker. `park(tp, partition)` stops reading a partition, `resume(tp, partition)` reads
    it again from its position, if it is still owned; `crash` ends the process."""

    def __init__(
        self,
        schemas: Schemas,
        park: Callable[[TP, P], Awaitable[None]],
        resume: Callable[[TP, P], Awaitable[None]],
        crash: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        self._schemas = schemas
        self._park = park
        self._resume = resume
        self._crash = crash
        self._waiting: dict[TP, asyncio.Task[None]] = {}

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
        self._waiting[tp] = waiting
        return False

    async def stop(self, tps: Iterable[TP] | None = None) -> None:
        """Wait for these no longer, without any: for all."""
        stopped = [self._waiting.pop(tp) for tp in list(self._waiting if tps is None else tps) if tp in self]
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)

    async def _wait(self, tp: TP, partition: P, deciding: asyncio.Task[None]) -> None:
        try:
            await deciding
        except Exception as error:  # noqa: BLE001 - whatever it is, the partition would stall silently
            await self._crash(error)
            return
        finally:
            deciding.cancel()
        if self._waiting.get(tp) is asyncio.current_task():
            del self._waiting[tp]
            await self._resume(tp, partition)
