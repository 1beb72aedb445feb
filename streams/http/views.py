"""The routes of views: their list, their answers, their entities, their streams (docs/contract.md §6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from streams.feed.replica import Replica
from streams.http import parameters
from streams.http.models import Answer, EntitiesAnswer, ViewsListed, listed
from streams.http.problems import WRONG_PARAMETER, NotFoundError, described
from streams.http.stream import events
from tables.query.entities import answer_entities
from tables.query.params import ParameterError, parse_entity_query, parse_view_query
from tables.query.values import did_you_mean
from tables.query.views import Scope, answer_view
from tables.read.state import ReaderState
from tables.spec.view import View

ScopeOf = Callable[[Request], Scope]
"""The cities that a request may see; None for all, and for null."""

_ERRORS: dict[int | str, dict[str, Any]] = {
    400: WRONG_PARAMETER,
    404: described("There is no such view; `views` lists those there are."),
}
_EVENTS = (
    "Server-Sent Events. The data of each is the answer that /v1/views/{name} gives, as JSON on one line."
)


class _EventStream(StreamingResponse):
    media_type = "text/event-stream"


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


def _no_parameters(request: Request) -> None:
    for name in request.query_params:
        raise ParameterError(name, "is no parameter here; there are none")


def router(replica: Replica, scope_of: ScopeOf) -> APIRouter:
    """The routes, answering from `replica`."""
    routes = APIRouter(prefix="/v1", tags=["views"])

    def find(request: Request) -> View:
        name: str = request.path_params["name"]
        if name not in replica.views:
            hint = did_you_mean(name, replica.views)
            raise NotFoundError(f"there is no view {name!r}{hint}", views=list(replica.views))
        return replica.views[name]

    @routes.get("/views", summary="Every view", responses={200: {"model": ViewsListed}, 400: WRONG_PARAMETER})
    async def list_views(request: Request) -> Response:
        _no_parameters(request)
        return _json(msgspec.json.encode({"views": [listed(view) for view in replica.views.values()]}))

    @routes.get(
        "/views/{name}",
        summary="A view's answer",
        responses={200: {"model": Answer}, **_ERRORS},
        openapi_extra={"parameters": parameters.of_view()},
    )
    async def view_answer(request: Request) -> Response:
        view = find(request)
        query = parse_view_query(view, request.query_params.multi_items())
        scope, situation = scope_of(request), replica.situation()

        def answer(reader: ReaderState) -> bytes:
            return msgspec.json.encode(answer_view(reader, view, query, situation, scope))

        return _json(await replica.run(answer))

    @routes.get(
        "/views/{name}/entities",
        summary="The entities of a view, oldest first",
        responses={200: {"model": EntitiesAnswer}, **_ERRORS},
        openapi_extra={"parameters": parameters.of_entities()},
    )
    async def view_entities(request: Request) -> Response:
        view = find(request)
        if view.tracks is None:
            tracking = [other.name for other in replica.views.values() if other.tracks]
            raise NotFoundError(f"{view.name} has no entities", views=tracking)
        query = parse_entity_query(view, request.query_params.multi_items())
        scope, situation = scope_of(request), replica.situation()

        def answer(reader: ReaderState) -> bytes:
            return msgspec.json.encode(answer_entities(reader, view, query, situation, scope))

        return _json(await replica.run(answer))

    @routes.get(
        "/stream/{name}",
        summary="A view's answer as Server-Sent Events, on change",
        response_class=_EventStream,
        responses={200: {"description": _EVENTS}, **_ERRORS},
        openapi_extra={"parameters": parameters.of_view()},
    )
    async def view_stream(request: Request) -> Response:
        view = find(request)
        query = parse_view_query(view, request.query_params.multi_items())
        sent = events(replica, view, query, scope_of(request))
        first = await anext(sent)  # what can't be answered at all is an error, not a broken stream
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return _EventStream(_after(first, sent), headers=headers)

    return routes


async def _after(first: bytes, rest: Any) -> Any:
    try:
        yield first
        async for event in rest:
            yield event
    finally:
        await rest.aclose()
