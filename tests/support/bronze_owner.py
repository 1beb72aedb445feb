"""A bronze worker's owner of partitions, on a store in memory that can stand still."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiokafka import TopicPartition
from faust.types import TP

from agents.bronze.range import RangeBuilder
from streams.health import Health
from streams.kafka.batches import Fetched
from streams.registry.schemas import Schemas
from streams.roles.bronze.sink import BronzeSink
from streams.roles.owner import PartitionOwner
from streams.roles.sinks.partition import SinkPartition
from streams.roles.sinks.role import SinkRole
from streams.settings import Settings
from streams.store.bronze_reader import BronzeReader
from tests.support.bronze import MemoryStore, Record
from tests.support.events import AT_MS, click
from tests.support.roles import App, Thread

ONE, TWO = TP("events.raw", 0), TP("events.raw", 1)


class GatedStore(MemoryStore):
    """Stands still while `gate` is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def _begin(self, operation: str, path: str) -> None:
        await self.gate.wait()
        await super()._begin(operation, path)


class Worker:
    """An owner with all that is around it; `more` are settings."""

    def __init__(self, store: GatedStore | None = None, **more: Any) -> None:
        self.store, self.thread = store or GatedStore(), Thread()
        self.app = App(self.thread)
        self.health = Health()
        settings = replace(Settings.load({}), session_seconds=1, **more)
        self.role = SinkRole("bronze", BronzeSink(settings, self.store), remedy="Mend it", max_seconds=3600)
        self.owner = PartitionOwner[SinkPartition[RangeBuilder]](
            settings, self.role, self.health, Schemas(settings)
        )
        self.owner.app = self.app  # type: ignore[assignment]

    async def assigned(self, *tps: TP, generation: int = 1) -> Mapping[TP, int]:
        positions = await self.owner.assigned(set(tps), generation)
        await self.thread.begin_at(positions)  # as the transport does
        return positions

    async def take(self, tp: TP, first: int, end: int) -> None:
        records: Any = [[Record(offset, AT_MS, click(offset)) for offset in range(first, end)]]
        epoch = self.thread.epochs[tp]
        await self.owner.process(Fetched(TopicPartition(*tp), first, end, records, end, epoch))

    async def nexts(self) -> dict[int, int]:
        return {partition: commit.next async for _, partition, commit in BronzeReader(self.store).commits()}
