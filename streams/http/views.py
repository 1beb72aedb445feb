"""The routes of views: their list, their answers, their entities, their streams (docs/contract.md §6)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from streams.feed.replica import Replica
from streams.http.models import ViewsListed, answer, asked, listed, not_stored, page
from streams.http.problems import WRONG_PARAMETER, NotFoundError
from streams.http.stream import events
from streams.setting_groups.rules import ALL
from tables.query.declarations import entity_parameters, view_parameters
from tables.query.entities import answer_entities
from tables.query.params import EntityQuery, check_known, parse_entity_query, parse_view_query
from tables.query.values import did_you_mean
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.read.status import Situation
from tables.scope import Scope
from tables.spec.view import View

Q = TypeVar("Q")

Answer = Callable[[ReaderState, View, Q, Situation, Scope], dict[str, Any]]
"""What a query comes to."""

ScopeOf = Callable[[Request], Scope]
"""The cities that a request may see; None for all, and for null."""


class _EventStream(StreamingResponse):
    media_type = "text/event-stream"


def router(replica: Replica, scope_of: ScopeOf) -> APIRouter:
    """The routes, answering from `replica`: those of each view come from its declaration."""
    routes = APIRouter(prefix="/v1", tags=["views"])

    @routes.get("/views", summary="Every view", responses={200: {"model": ViewsListed}, 400: WRONG_PARAMETER})
    async def list_views(request: Request) -> Response:
        for name in request.query_params:
            check_known(name, ())
        return not_stored(msgspec.json.encode({"views": await replica.run(_listed)}))

    for view in replica.views.values():
        _add_answer(routes, replica, scope_of, view)
        _add_stream(routes, replica, scope_of, view)
        if view.tracks is not None:
            _add_entities(routes, replica, scope_of, view)

    @routes.get("/views/{name}", include_in_schema=False)
    @routes.get("/views/{name}/entities", include_in_schema=False)
    @routes.get("/stream/{name}", include_in_schema=False)
    async def no_such_view(request: Request) -> Response:
        name: str = request.path_params["name"]
        if name in replica.views:
            tracking = [view.name for view in replica.views.values() if view.tracks]
            raise NotFoundError(f"{name} has no entities", views=tracking)
        left_out = "" if replica.settings.views == ALL else "; SLUICE_VIEWS says which are computed"
        raise NotFoundError(
            f"there is no view {name!r}{did_you_mean(name, replica.views)}{left_out}", views=[*replica.views]
        )

    return routes


def _listed(reader: ReaderState) -> list[dict[str, Any]]:
    return [listed(state.view, reader.definitions.former(name)) for name, state in reader.views.items()]


async def _answered(
    replica: Replica, answer: Answer[Q], view: View, parse: Callable[[View], Q], scope: Scope
) -> Response:
    """`parse` is given the definition that answers, which may change until the state is looked at."""
    situation = replica.situation()

    def ask(reader: ReaderState) -> bytes:
        answering = reader.views[view.name].view
        return msgspec.json.encode(answer(reader, answering, parse(answering), situation, scope))

    return not_stored(await replica.run(ask))


def _add_answer(routes: APIRouter, replica: Replica, scope_of: ScopeOf, view: View) -> None:
    @routes.get(
        f"/views/{view.name}",
        summary=f"The rows of {view.name}",
        description=view.description,
        responses={200: {"model": answer(view)}, 400: WRONG_PARAMETER},
        openapi_extra=asked(view_parameters(view)),
    )
    async def view_answer(request: Request) -> Response:
        items = request.query_params.multi_items()
        parse = partial(parse_view_query, params=items)
        return await _answered(replica, answer_view, view, parse, scope_of(request))


def _add_entities(routes: APIRouter, replica: Replica, scope_of: ScopeOf, view: View) -> None:
    @routes.get(
        f"/views/{view.name}/entities",
        summary=f"The entities of {view.name}, oldest first",
        responses={200: {"model": page(view)}, 400: WRONG_PARAMETER},
        openapi_extra=asked(entity_parameters(view)),
    )
    async def view_entities(request: Request) -> Response:
        items = request.query_params.multi_items()

        def parse(answering: View) -> EntityQuery:
            if answering.tracks is None:
                raise NotFoundError(f"the former definition of {view.name}, which answers, has no entities")
            return parse_entity_query(answering, items)

        return await _answered(replica, answer_entities, view, parse, scope_of(request))


def _add_stream(routes: APIRouter, replica: Replica, scope_of: ScopeOf, view: View) -> None:
    says = f"Server-Sent Events: the data of each is what /v1/views/{view.name} answers, as JSON on one line."

    @routes.get(
        f"/stream/{view.name}",
        summary=f"The rows of {view.name} as Server-Sent Events, on change",
        response_class=_EventStream,
        responses={200: {"description": says}, 400: WRONG_PARAMETER},
        openapi_extra=asked(view_parameters(view)),
    )
    async def view_stream(request: Request) -> Response:
        items = request.query_params.multi_items()
        sent = events(replica, view.name, partial(parse_view_query, params=items), scope_of(request))
        first = await anext(sent)  # what can't be answered at all is an error, not a broken stream
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return _EventStream(_after(first, sent), headers=headers)


async def _after(first: bytes, rest: Any) -> Any:
    try:
        yield first
        async for event in rest:
            yield event
    finally:
        await rest.aclose()
