"""The routes of views: their list, their answers, their entities, their streams (docs/contract.md §6)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from streams.access.access import Visitor
from streams.feed.replica import Replica
from streams.http.answer.answers import digest
from streams.http.answer.formats import FORMAT, asked_params, check_only_format
from streams.http.answer.models import ViewsListed, answer, asked, listed, page
from streams.http.answer.open_streams import OpenStreams
from streams.http.answer.problems import COMMON, WRONG_PARAMETER, NotFoundError, described, lists, no_view
from streams.http.answer.questions import Kind, Questions
from streams.http.answer.replies import Listing, reply
from streams.http.connection.guard import visitor
from streams.http.routes.joint_stream import JointStreams, asked_questions, joint_parameters
from streams.http.routes.stream import Broadcasts
from streams.setting_groups.rules import ALL
from tables.query.declarations import entity_parameters, view_parameters
from tables.read.state import ReaderState
from tables.spec.view import View

COLUMNS = ("name", "kind", "dimensions", "measures", "states", "description", "former")
"""Of the list of views."""


class _EventStream(StreamingResponse):
    media_type = "text/event-stream"


def router(replica: Replica) -> APIRouter:
    """The routes, answering from `replica`: those of each view come from its declaration."""
    routes = APIRouter(prefix="/v1", tags=["views"], responses=COMMON)
    questions = Questions(replica)
    broadcasts, streams = Broadcasts(replica, questions), OpenStreams(replica.settings)

    @routes.get(
        "/views",
        summary="Every view",
        responses=lists(ViewsListed),
        openapi_extra=asked([FORMAT]),
    )
    async def list_views(request: Request) -> Response:
        check_only_format(request)
        answer = {"views": await replica.run(_listed)}
        return reply(request, Listing("views", COLUMNS, answer, digest(answer), member="views"))

    _add_joint_stream(routes, replica, JointStreams(replica, questions, broadcasts), streams)
    for view in replica.views.values():
        _add_answer(routes, questions, view)
        _add_stream(routes, broadcasts, streams, view)
        if view.tracks is not None:
            _add_entities(routes, questions, view)

    @routes.get("/views/{name}", include_in_schema=False)
    @routes.get("/views/{name}/entities", include_in_schema=False)
    @routes.get("/views/{name}/explain", include_in_schema=False)
    @routes.get("/stream/{name}", include_in_schema=False)
    async def no_such_view(request: Request) -> Response:
        name: str = request.path_params["name"]
        if name in replica.views and request.url.path.endswith("/explain"):
            raise NotFoundError(
                f"{name} has measures of kinds that cannot be explained", views=[*replica.views]
            )
        if name in replica.views:
            tracking = [view.name for view in replica.views.values() if view.tracks]
            raise NotFoundError(f"{name} has no entities", views=tracking)
        left_out = "" if replica.settings.views == ALL else "; SLUICE_VIEWS says which are computed"
        raise no_view(name, replica.views, left_out)

    return routes


def _listed(reader: ReaderState) -> list[dict[str, object]]:
    return [listed(state.view, reader.definitions.former(name)) for name, state in reader.views.items()]


async def _answered(request: Request, questions: Questions, kind: Kind, view: View) -> Response:
    answered = await questions.ask(kind, view, asked_params(request), visitor(request).scope())
    name = view.name if kind == "rows" else f"{view.name}_entities"
    return reply(request, Listing(name, answered.columns, answered.answer, answered.tag, answered.body))


def _add_answer(routes: APIRouter, questions: Questions, view: View) -> None:
    @routes.get(
        f"/views/{view.name}",
        summary=f"The rows of {view.name}",
        description=view.description,
        responses=lists(answer(view)),
        openapi_extra=asked([*view_parameters(view), FORMAT]),
    )
    async def view_answer(request: Request) -> Response:
        return await _answered(request, questions, "rows", view)


def _add_entities(routes: APIRouter, questions: Questions, view: View) -> None:
    @routes.get(
        f"/views/{view.name}/entities",
        summary=f"The entities of {view.name}, oldest first",
        responses=lists(page(view)),
        openapi_extra=asked([*entity_parameters(view), FORMAT]),
    )
    async def view_entities(request: Request) -> Response:
        return await _answered(request, questions, "entities", view)


def _add_stream(routes: APIRouter, broadcasts: Broadcasts, streams: OpenStreams, view: View) -> None:
    says = f"Server-Sent Events: the data of each is what /v1/views/{view.name} answers, as JSON on one line."

    @routes.get(
        f"/stream/{view.name}",
        summary=f"The rows of {view.name} as Server-Sent Events, on change",
        response_class=_EventStream,
        responses={200: {"description": says}, 400: WRONG_PARAMETER},
        openapi_extra=asked(view_parameters(view)),
    )
    async def view_stream(request: Request) -> Response:
        asking = visitor(request)
        sent = broadcasts.events(view, asked_params(request), asking, request.headers.get("last-event-id"))
        return await _streamed(streams, asking, sent)


def _add_joint_stream(routes: APIRouter, replica: Replica, joint: JointStreams, streams: OpenStreams) -> None:
    says = (
        "Server-Sent Events. An event that is called like a `view` that was asked has what"
        " /v1/views/{name} answers, on change. `view-status` says once a second how far each view can be"
        " trusted; `not-shown` names a view that who asks may not see."
    )

    @routes.get(
        "/stream",
        summary="The rows of several views as Server-Sent Events, on change",
        response_class=_EventStream,
        responses={
            200: {"description": says}, 400: WRONG_PARAMETER, 404: described("There is no such view."),
        },
        openapi_extra=asked(joint_parameters(replica.views)),
    )  # fmt: skip
    async def joint_stream(request: Request) -> Response:
        asking = visitor(request)
        questions = asked_questions(replica.views, asked_params(request))
        sent = joint.events(questions, asking, request.headers.get("last-event-id"))
        return await _streamed(streams, asking, sent, len(questions))


async def _streamed(
    streams: OpenStreams, asking: Visitor, sent: AsyncGenerator[bytes, None], questions: int = 1
) -> _EventStream:
    """A stream of theirs. What can't be answered at all is an error, not a broken stream."""
    with contextlib.ExitStack() as held:
        held.enter_context(streams.opened(asking, questions))
        first = await anext(sent)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return _EventStream(_after(first, sent, held.pop_all()), headers=headers)
    raise AssertionError("an exit stack lets errors through")


async def _after(
    first: bytes, rest: AsyncGenerator[bytes, None], held: contextlib.ExitStack
) -> AsyncIterator[bytes]:
    with held:
        async with contextlib.aclosing(rest):
            yield first
            async for event in rest:
                yield event
