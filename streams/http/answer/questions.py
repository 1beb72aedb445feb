"""What a request asks of a view, and the answers, each computed for all who ask the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from starlette.datastructures import QueryParams

from streams.feed.replica import Replica
from streams.http.answer.answers import Answered, Answers
from streams.http.answer.problems import ForbiddenError, NotFoundError
from tables.query.entities import answer_entities
from tables.query.params import parse_entity_query, parse_view_query
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.read.status import Situation
from tables.scope import Scope
from tables.spec.experiment import Experiment
from tables.spec.fields import CITY
from tables.spec.view import View

Params = tuple[tuple[str, str], ...]
"""A request's query parameters, in their order."""
Kind = Literal["rows", "entities"]
Columns = tuple[str, ...]

JOINT = "/v1/stream"
"""The path of several questions in one stream, each a parameter `VIEW`."""
VIEW = "view"


def questions_in(query: bytes) -> int:
    """How many questions a request for a joint stream has, right ones or not."""
    return len(QueryParams(query).getlist(VIEW))


class Questions:
    """Asks one replica. Scopes: None for all cities, and null."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._answers = Answers(replica)

    async def ask(self, kind: Kind, view: View, params: Params, scope: Scope) -> Answered:
        """The answer of now. Raises `ParameterError`, `NotFoundError` for a former definition without
        entities, `ForbiddenError`."""
        check_visible(view, scope)
        ask = partial(
            _ASK[kind], name=view.name, params=params, situation=self._replica.situation(), scope=scope
        )
        return await self._answers.of((kind, view.name, params, scope), ask)


def check_visible(view: View, scope: Scope) -> None:
    """Experiments are of all cities together. Raises `ForbiddenError`."""
    if isinstance(view, Experiment) and scope is not None:
        raise ForbiddenError(
            f"{view.name} is of all cities together: it is for analysts with the city * alone"
        )


def _rows(
    reader: ReaderState, *, name: str, params: Params, situation: Situation, scope: Scope
) -> tuple[View, Columns, dict[str, Any]]:
    view = reader.views[name].view
    query = parse_view_query(view, list(params))
    answer = answer_view(reader, view, query, situation, scope)
    measures = (measure.name for measure in view.measures)
    return view, (*(["t"] if query.steps else []), *query.group_by, *measures), _told(answer, scope)


def _entities(
    reader: ReaderState, *, name: str, params: Params, situation: Situation, scope: Scope
) -> tuple[View, Columns, dict[str, Any]]:
    view = reader.views[name].view
    tracks = view.tracks
    if tracks is None:
        raise NotFoundError(f"the former definition of {name}, which answers, has no entities")
    answer = answer_entities(reader, view, parse_entity_query(view, list(params)), situation, scope)
    columns = (*tracks.id_fields, CITY, "state", "occurred_at", *tracks.kept_names)
    return view, columns, _told(answer, scope)


def _told(answer: dict[str, Any], scope: Scope) -> dict[str, Any]:
    """The answer; whether it is of some cities alone, its rows do not show."""
    return answer if scope is None else {**answer, "scoped": True}


_ASK: dict[Kind, Callable[..., tuple[View, Columns, dict[str, Any]]]] = {"rows": _rows, "entities": _entities}
