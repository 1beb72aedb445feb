"""/healthz, /readyz and /metrics."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams import metrics
from streams.feed.replica import Replica
from streams.http.answer.models import Running
from streams.http.answer.problems import described, problem
from tables.read.state import ReaderState
from tables.read.status import Situation, resolve_as_of, status


class ViewNow(NamedTuple):
    """What metrics say of a view; infinite: the age of an answer that rests on nothing yet. `entities`: how
    many each selection has, by its name, once the feed has been read; empty where not everybody may know."""

    freshness_seconds: float
    complete: bool
    entities: dict[str, int]


def _state_of(reader: ReaderState, situation: Situation, *, counted: bool) -> dict[str, ViewNow]:
    as_of_us, _ = resolve_as_of(reader, "now", situation)
    found = {}
    for name, state in reader.views.items():
        view, entities = state.view, state.entities
        now = status(reader, view, situation)
        age = now.freshness_seconds
        counts = {}
        if counted and view.tracks is not None and entities is not None and situation.feed_read:
            counts = {one.name: entities.count(one, as_of_us) for one in view.tracks.selections}
        found[name] = ViewNow(math.inf if age is None else age, now.complete, counts)
    return found


def router(replica: Replica) -> APIRouter:
    """What orchestrators and Prometheus ask."""
    routes = APIRouter(tags=["operation"])
    counted = replica.settings.auth == "off"  # over all cities: with analysts, some may not see that

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
        metrics.READY.set(replica.waiting_for is None)
        situation = replica.situation()
        found = await replica.run(lambda reader: _state_of(reader, situation, counted=counted))
        for name, now in found.items():
            metrics.VIEW_FRESHNESS.labels(name).set(now.freshness_seconds)
            metrics.VIEW_COMPLETE.labels(name).set(now.complete)
            for selection, count in now.entities.items():
                metrics.VIEW_ENTITIES.labels(name, selection).set(count)
        return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})

    return routes
