"""GET /v1/views/{name}/explain: the events behind a view's rows."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from streams.access.access import Visitor
from streams.feed.replica import Replica
from streams.http.answer.answers import digest
from streams.http.answer.formats import FORMAT, asked_params
from streams.http.answer.models import asked
from streams.http.answer.problems import COMMON, described, lists, problem
from streams.http.answer.questions import Params, Questions
from streams.http.answer.replies import Listing, reply
from streams.http.background.explainer import ExplainBusyError, Explainer, ExplainError
from streams.http.connection.guard import visitor
from streams.http.routes.explain_models import explanation
from streams.verify.behind import added_measures, event_keys
from streams.verify.question import Question
from streams.verify.rows import is_computable
from tables.query.declarations import row_parameters
from tables.query.params import check_known, parse_view_query
from tables.scope import Scope
from tables.spec.fields import OTHER
from tables.spec.view import View

LOOK_SECONDS = 0.5
"""How often it is looked at whether who asked is still there, and may still see it."""
CANNOT = described("It cannot be explained now: `detail` says why, such as that Bronze cannot be read.")


def router(replica: Replica) -> APIRouter:
    """The routes of the views whose measures can be said in SQL."""
    routes = APIRouter(prefix="/v1", tags=["views"], responses=COMMON)
    explaining = _Explaining(replica)
    for view in replica.views.values():
        if is_computable(view):
            _add(routes, explaining, view)
    return routes


def _add(routes: APIRouter, explaining: _Explaining, view: View) -> None:
    @routes.get(
        f"/views/{view.name}/explain",
        summary=f"The events behind the rows of {view.name}",
        description="Of the asker's cities alone; from Bronze, and from Kafka what is not there yet. One"
        " question is answered at a time.",
        responses={**lists(explanation(view)), 503: CANNOT},
        openapi_extra=asked([*row_parameters(view), FORMAT]),
    )
    async def view_explained(request: Request) -> Response:
        return await explaining.answer(request, view)


class _Explaining:
    """Answers for one replica."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._questions = Questions(replica)
        self._explainer = Explainer(replica.settings)

    async def answer(self, request: Request, view: View) -> Response:
        """The explanation; an error says why there is none. Raises what asking the view does."""
        params, asking = asked_params(request), visitor(request)
        scope = asking.scope()
        for name, _ in params:
            check_known(name, row_parameters(view))
        former = await self._replica.run(lambda reader: reader.definitions.former(view.name))
        if former is not None:
            return problem(503, former)
        explained = self._explained(view, params, asking, scope)
        task = asyncio.create_task(explained, name=f"explain-{view.name}")
        try:
            return await self._reply(request, view, task, scope)
        except ExplainBusyError as error:
            return problem(429, str(error), {"retry-after": "5"})
        except ExplainError as error:
            return problem(503, str(error))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _reply(
        self, request: Request, view: View, task: asyncio.Task[dict[str, object]], scope: Scope
    ) -> Response:
        """The answer, for as long as somebody waits for it who may see it, and the api goes on."""
        answered = False
        while not answered:
            await asyncio.wait({task}, timeout=LOOK_SECONDS)
            answered = task.done()
            if self._replica.closing.is_set() or await request.is_disconnected():
                raise ExplainError("the api ends, or nobody waits for the answer")
            if visitor(request).scope() != scope:
                raise ExplainError("the cities that you may see have changed meanwhile: ask again")
        body = task.result()
        columns = [*event_keys(view), "records", *added_measures(view)]
        listing = Listing(f"{view.name}_explain", columns, body, digest(body), member="events")
        return reply(request, listing)

    async def _explained(
        self, view: View, params: Params, asking: Visitor, scope: Scope
    ) -> dict[str, object]:
        answered = await self._questions.ask("rows", view, params, scope)
        filters = parse_view_query(view, list(params)).filters
        asked_for = {name: list(values) for name, values in filters.items()}
        cities = None if scope is None else sorted(scope)
        others = await self._sums_others(view, params)
        return await self._explainer.ask(
            Question(view.name, answered.answer, asked_for, cities, others), asking
        )

    async def _sums_others(self, view: View, params: Params) -> bool:
        """Whether the view sums some of its groups as `_other`, which rows that are filtered may not show."""
        unfiltered = tuple((name, value) for name, value in params if name not in view.dimensions)
        whole = await self._questions.ask("rows", view, unfiltered, None)
        return any(row.get(name) == OTHER for row in whole.answer["rows"] for name in view.dimensions)
