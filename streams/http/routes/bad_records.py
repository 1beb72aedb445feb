"""GET /v1/quarantine: the newest bad records by reason, with what one of them looks like."""

from __future__ import annotations

import asyncio
import time
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

import streams.kafka.fetched_bytes  # noqa: F401 - lets aiokafka read whatever names headers have
from agents.quarantine.audit import OPEN
from agents.quarantine.record import decode
from agents.quarantine.summary import Summary, report
from schemas.times import format_time
from streams.feed.replica import Replica
from streams.http.answer.answers import digest
from streams.http.answer.formats import FORMAT, check_only_format
from streams.http.answer.models import TIME, asked
from streams.http.answer.problems import COMMON, ForbiddenError, lists
from streams.http.answer.replies import Listing, reply
from streams.http.connection.guard import visitor
from streams.kafka.availability import reason_of
from streams.kafka.client import reading
from streams.kafka.message_formats import UnreadableBatchError
from streams.kafka.topology import absence, partitions_of
from streams.settings import Settings

MOST_READ = 500
"""Records of each partition: what a page shows is a sample. `sluice quarantine summary` reads all."""
BY = ("reason", "field")
MOST_GROUPS = 100
KEPT_SECONDS = 10.0
TIMEOUT_SECONDS = 10.0
POLL_MS = 200


class BadRecordsRow(BaseModel):
    """Bad records that are alike."""

    reason: str
    field: str
    records: int = Field(description="how many of those that were read")
    first: str | None = Field(description="when the first of them was quarantined", json_schema_extra=TIME)
    last: str | None = Field(description="when the newest of them was", json_schema_extra=TIME)
    id: str = Field(description="the newest one's, for `sluice quarantine show`")
    sample: Any = Field(description="its shape: names and types, no values")


class BadRecordsAnswer(BaseModel):
    """The newest bad records."""

    as_of: str = Field(description="when they were read", json_schema_extra=TIME)
    unknown_because: str | None = Field(description="why nothing is known of them; null: it is")
    read: int = Field(description=f"how many were read: the newest {MOST_READ} of each partition at most")
    rows: list[BadRecordsRow] = Field(description="the largest group first")


def router(replica: Replica) -> APIRouter:
    """The route, answering from Kafka."""
    routes = APIRouter(prefix="/v1", tags=["operation"], responses=COMMON)
    newest = _Newest(replica)

    @routes.get(
        "/quarantine",
        summary="The newest bad records by reason, each with a masked sample",
        responses=lists(BadRecordsAnswer),
        openapi_extra=asked([FORMAT]),
    )
    async def bad_records(request: Request) -> Response:
        check_only_format(request)
        _check_visible(request)
        found = await newest.ask()
        _check_visible(request)  # it may have taken a while
        listing = Listing("quarantine", [*BadRecordsRow.model_fields], found, digest({**found, "as_of": 0}))
        return reply(request, listing)

    return routes


def _check_visible(request: Request) -> None:
    if visitor(request).scope() is not None:
        raise ForbiddenError("bad records are of no city: they are for analysts with the city * alone")


class _Newest:
    """Read at most every `KEPT_SECONDS`, once for all who want to know at the same time."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._asked_at = -KEPT_SECONDS
        self._asking: asyncio.Task[dict[str, Any]] | None = None

    async def ask(self) -> dict[str, Any]:
        """The answer."""
        now = time.monotonic()
        if self._asking is None or (self._asking.done() and now - self._asked_at >= KEPT_SECONDS):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask(), name="bad-records")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> dict[str, Any]:
        settings = self._replica.settings
        topic = settings.topic("events.quarantine")
        why, summary = None, Summary(BY)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                partitions = await partitions_of(settings, [topic])
                if partitions:
                    summary = await _summary(settings, partitions)
                else:
                    why = await absence(settings, topic, "Read")
        except TimeoutError:
            why = f"Kafka did not say within {TIMEOUT_SECONDS:g} s"
        except (KafkaError, OSError) as error:
            why = await reason_of(settings, error)
        except UnreadableBatchError as error:
            why = str(error)
        rows = [
            {name: row[name] for name in BadRecordsRow.model_fields}
            for row in report(summary, summary.groups())
        ]
        as_of = format_time(self._replica.clock.wall_us())
        return {"as_of": as_of, "unknown_because": why, "read": summary.records, "rows": rows}


async def _summary(settings: Settings, partitions: list[TopicPartition]) -> Summary:
    summary = Summary(BY, MOST_GROUPS)
    async with reading(settings, "sluice-api-quarantine") as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        first = await consumer.beginning_offsets(partitions)
        for tp in partitions:
            consumer.seek(tp, max(first[tp], ends[tp] - MOST_READ))
        while not await _reached(consumer, ends):
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
            for record in chain.from_iterable(fetched.values()):
                summary.take(decode(record), OPEN)
    return summary


async def _reached(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    # The position, unlike the records, also passes the marks that end a transaction.
    return all([await consumer.position(tp) >= end for tp, end in ends.items()])
