"""The routes of views: their list, their answers, their entities, their streams (docs/contract.md §6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from streams.http import parameters
from streams.http.live import Live
from streams.http.models import Answer, EntitiesAnswer, Problem, ViewsListed, listed
from streams.http.problems import MEDIA_TYPE, NotFoundError
from streams.http.stream import events
from tables.entity_query import answer_entities
from tables.query import Scope, answer_view
from tables.query_params import ParameterError, parse_entity_query, parse_view_query
from tables.reader import ReaderState
from tables.spec import View
from tables.views import VIEWS

ScopeOf = Callable[[Request], Scope]
"""The cities that a request may see; None for all, and for null."""

_PROBLEM: dict[str, Any] = {"model": Problem, "content": {MEDIA_TYPE: {}}}
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "A parameter is wrong; `parameter` names it.", **_PROBLEM},
    404: {"description": "There is no such view; `views` lists those there are.", **_PROBLEM},
}


_Name = Annotated[str, Path(description="A view's name.", json_schema_extra={"enum": [*VIEWS]})]


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


def router(live: Live, scope_of: ScopeOf) -> APIRouter:
    """The routes, answering from `live`."""
    routes = APIRouter(prefix="/v1", tags=["views"])

    def find(name: str) -> View:
        if name not in live.views:
            raise NotFoundError(f"there is no view {name!r}", views=list(live.views))
        return live.views[name]

    @routes.get("/views", summary="Every view", responses={200: {"model": ViewsListed}, 400: _ERRORS[400]})
    async def list_views(request: Request) -> Response:
        for name in request.query_params:
            raise ParameterError(name, "is no parameter here; there are none")
        return _json(msgspec.json.encode({"views": [listed(view) for view in live.views.values()]}))

    @routes.get(
        "/views/{name}",
        summary="A view's answer",
        responses={200: {"model": Answer}, **_ERRORS},
        openapi_extra={"parameters": parameters.of_view()},
    )
    async def view_answer(name: _Name, request: Request) -> Response:
        view = find(name)
        query = parse_view_query(view, request.query_params.multi_items())
        scope, situation = scope_of(request), live.situation()

        def answer(reader: ReaderState) -> bytes:
            return msgspec.json.encode(answer_view(reader, view, query, situation, scope))

        return _json(await live.run(answer))

    @routes.get(
        "/views/{name}/entities",
        summary="The entities of a view, oldest first",
        responses={200: {"model": EntitiesAnswer}, **_ERRORS},
        openapi_extra={"parameters": parameters.of_entities()},
    )
    async def view_entities(name: _Name, request: Request) -> Response:
        view = find(name)
        if view.tracks is None:
            tracking = [other.name for other in live.views.values() if other.tracks]
            raise NotFoundError(f"{name} has no entities", views=tracking)
        query = parse_entity_query(view, request.query_params.multi_items())
        scope, situation = scope_of(request), live.situation()

        def answer(reader: ReaderState) -> bytes:
            return msgspec.json.encode(answer_entities(reader, view, query, situation, scope))

        return _json(await live.run(answer))

    @routes.get(
        "/stream/{name}",
        summary="A view's answer as Server-Sent Events, on change",
        responses={200: {"model": Answer, "content": {"text/event-stream": {}}}, **_ERRORS},
        openapi_extra={"parameters": parameters.of_view()},
    )
    async def view_stream(name: _Name, request: Request) -> Response:
        view = find(name)
        query = parse_view_query(view, request.query_params.multi_items())
        sent = events(live, view, query, scope_of(request))
        first = await anext(sent)  # what can't be answered at all is an error, not a broken stream
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(_after(first, sent), media_type="text/event-stream", headers=headers)

    return routes


async def _after(first: bytes, rest: Any) -> Any:
    try:
        yield first
        async for event in rest:
            yield event
    finally:
        await rest.aclose()
