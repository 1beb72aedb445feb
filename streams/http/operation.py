"""/healthz, /readyz and /metrics."""

from __future__ import annotations

import math

import msgspec
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams import metrics
from streams.feed.replica import Replica
from streams.http.models import Running
from streams.http.problems import described, problem
from tables.read.state import ReaderState
from tables.read.status import status


def router(replica: Replica) -> APIRouter:
    """What orchestrators and Prometheus ask."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz", summary="200: the process runs", responses={200: {"model": Running}})
    async def healthz() -> Response:
        return Response(msgspec.json.encode({"status": "ok"}), media_type="application/json")

    @routes.get(
        "/readyz",
        summary="200: the feed has been read to the end it had at the start",
        responses={200: {"model": Running}, 503: described("Not yet.")},
    )
    async def readyz() -> Response:
        if replica.waiting_for is not None:
            return problem(503, f"waiting for {replica.waiting_for}", {"retry-after": "1"})
        return Response(msgspec.json.encode({"status": "ready"}), media_type="application/json")

    @routes.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def prometheus() -> Response:
        situation = replica.situation()

        def ages(reader: ReaderState) -> dict[str, float | None]:
            return {
                name: status(reader, view, situation).freshness_seconds
                for name, view in replica.views.items()
            }

        for name, seconds in (await replica.run(ages)).items():
            metrics.VIEW_FRESHNESS.labels(name).set(math.inf if seconds is None else seconds)
        return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})

    return routes
