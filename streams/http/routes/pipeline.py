"""GET /v1/pipeline and /v1/pipeline/views: who reads what, how far it is, and which views can be trusted."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from schemas.times import format_time
from streams.feed.replica import Replica
from streams.http.answer.answers import digest
from streams.http.answer.formats import FORMAT, check_only_format
from streams.http.answer.models import TIME, asked
from streams.http.answer.problems import COMMON, lists
from streams.http.answer.replies import Listing, reply
from streams.http.background.bronze_progress import BronzeProgress
from streams.http.connection.guard import visitor
from streams.kafka.group_progress import Progress
from tables.read.state import ReaderState
from tables.read.status import PartitionStatus, Situation, Status, status


class PartitionRow(BaseModel):
    """A source partition, as the views and Bronze have it."""

    topic: str
    partition: int
    worker: str | None = Field(description="the views worker that last reported on it")
    heard_seconds: float | None = Field(description="how long ago it did")
    watermark: str | None = Field(description="newest accepted occurred_at", json_schema_extra=TIME)
    checkpoint_offset: int | None = Field(description="the next offset to be folded")
    lag_records: int | None = Field(description="records after it")
    freshness_seconds: float | None = Field(description="what was in Kafka so long ago is in the views")
    incomplete_because: str | None = Field(
        description="what makes it incomplete for some view; null: nothing"
    )
    bronze_offset: int | None = Field(description="the next offset to be written to Bronze")
    bronze_lag_records: int | None = Field(description="records after it")
    bronze_oldest_seconds: float | None = Field(
        description="for how long the oldest of them has been in Kafka; null: there are none"
    )


class ViewStatus(BaseModel):
    """Whether a view can be trusted."""

    view: str
    complete: bool
    freshness_seconds: float | None
    incomplete_because: list[str]


class PipelineAnswer(BaseModel):
    """The pipeline."""

    as_of: str = Field(json_schema_extra=TIME)
    bronze_unknown_because: str | None = Field(description="why nothing is known of Bronze; null: it is")
    views: list[ViewStatus]
    rows: list[PartitionRow] = Field(description="by topic and partition")


class ViewsAnswer(BaseModel):
    """The views of the pipeline."""

    as_of: str = Field(json_schema_extra=TIME)
    views: list[ViewStatus]


def router(replica: Replica) -> APIRouter:
    """The route, answering from `replica` and from Kafka."""
    routes = APIRouter(prefix="/v1", tags=["operation"], responses=COMMON)
    bronze = BronzeProgress(replica.settings)

    @routes.get(
        "/pipeline",
        summary="Who reads what, how far it is, and which views can be trusted",
        responses=lists(PipelineAnswer),
        openapi_extra=asked([FORMAT]),
    )
    async def pipeline(request: Request) -> Response:
        _check(request)
        progress = await bronze.newest()
        situation = replica.situation()
        body = await replica.run(lambda reader: _answer(reader, situation, progress))
        return reply(request, Listing("pipeline", [*PartitionRow.model_fields], body, digest(body)))

    @routes.get(
        "/pipeline/views",
        summary="Which views can be trusted: the views of /v1/pipeline as a list",
        responses=lists(ViewsAnswer),
        openapi_extra=asked([FORMAT]),
    )
    async def pipeline_views(request: Request) -> Response:
        _check(request)
        situation = replica.situation()
        found = await replica.run(lambda reader: _statuses(reader, situation))
        body = {"as_of": format_time(situation.wall_us), "views": _views(found)}
        columns = [*ViewStatus.model_fields]
        return reply(request, Listing("pipeline_views", columns, body, digest(body), member="views"))

    return routes


def _check(request: Request) -> None:
    check_only_format(request)
    visitor(request).scope()


def _statuses(reader: ReaderState, situation: Situation) -> dict[str, Status]:
    return {name: status(reader, state.view, situation) for name, state in reader.views.items()}


def _views(found: dict[str, Status]) -> list[dict[str, Any]]:
    return [
        {
            "view": name,
            "complete": one.complete,
            "freshness_seconds": _rounded(one.freshness_seconds),
            "incomplete_because": one.because,
        }
        for name, one in found.items()
    ]


def _answer(reader: ReaderState, situation: Situation, progress: list[Progress] | str) -> dict[str, Any]:
    found = _statuses(reader, situation)
    written = {(p.topic, p.partition): p for p in ([] if isinstance(progress, str) else progress)}
    partitions = next(iter(found.values())).partitions if found else []
    whys = {
        partition.source: partition.why
        for one in found.values()
        for partition in one.partitions
        if partition.why is not None
    }
    return {
        "as_of": format_time(situation.wall_us),
        "bronze_unknown_because": progress if isinstance(progress, str) else None,
        "views": _views(found),
        "rows": [
            _row(reader, situation, partition, whys.get(partition.source), written.get(partition.source))
            for partition in partitions
        ],
    }


def _row(
    reader: ReaderState,
    situation: Situation,
    partition: PartitionStatus,
    why: str | None,
    bronze: Progress | None,
) -> dict[str, Any]:
    report = reader.reports.get(partition.source)
    watermark = partition.watermark_us
    return {
        "topic": partition.source[0],
        "partition": partition.source[1],
        "worker": None if report is None else report.worker,
        "heard_seconds": None
        if report is None
        else _rounded(max(0.0, situation.monotonic - report.heard_at)),
        "watermark": None if watermark is None else format_time(watermark),
        "checkpoint_offset": partition.checkpoint_offset,
        "lag_records": partition.lag_records,
        "freshness_seconds": _rounded(partition.freshness_seconds),
        "incomplete_because": why,
        "bronze_offset": None if bronze is None else bronze.next,
        "bronze_lag_records": None if bronze is None else bronze.lag_records,
        "bronze_oldest_seconds": None if bronze is None else _rounded(bronze.oldest_seconds),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
