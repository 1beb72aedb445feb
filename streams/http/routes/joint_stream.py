"""GET /v1/stream: many questions in one stream, and once a second how far each view can be trusted.

A browser opens six connections to a host at most, so a page may not have a stream for each of its tiles.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import xxhash

from schemas.times import format_time
from streams.access.access import AccessEndedError, Visitor
from streams.feed.replica import Replica
from streams.http.answer.answers import Answered
from streams.http.answer.problems import ForbiddenError, no_view
from streams.http.answer.questions import VIEW, Params, Questions
from streams.http.routes.stream import ENDINGS, RETRY_MS, Broadcasts, ended
from tables.query.declarations import Parameter, view_parameters
from tables.query.params import ParameterError, check_known
from tables.read.state import ReaderState
from tables.read.status import Situation, stale_sources, status
from tables.spec.view import View

log = logging.getLogger(__name__)

MOST_QUESTIONS = 64
STATUS_SECONDS = 1.0
STATUS, NOT_SHOWN = "view-status", "not-shown"
"""Events that are no answers; no view is called so."""


class Asked(NamedTuple):
    """One question. `name`: what it was asked by, and what its events are called."""

    name: str
    view: View
    params: Params


def joint_parameters(views: Mapping[str, View]) -> list[Parameter]:
    """Parameters of the route: the questions, and what all of them share."""
    says = (
        "A view's name, or several, repeated; each may have parameters of its own, as"
        " `kpi_gmv?window=7d&step=1d` (percent-encoded), which go before the shared ones."
    )
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_QUESTIONS}
    shared = {one.name: one for view in views.values() for one in view_parameters(view)}
    return [Parameter(VIEW, says, schema), *shared.values()]


def asked_questions(views: Mapping[str, View], params: Params) -> list[Asked]:
    """The questions of a request; a view is not given the shared parameters that it does not know. Raises
    `ParameterError` and `NotFoundError`."""
    known = joint_parameters(views)
    for name, _ in params:
        check_known(name, known)
    names = [value for name, value in params if name == VIEW]
    if not names:
        raise ParameterError(VIEW, "is missing: name a view, or several")
    if len(names) > MOST_QUESTIONS:
        raise ParameterError(VIEW, f"is there {len(names)} times: at most {MOST_QUESTIONS} are possible")
    if len(set(names)) < len(names):
        raise ParameterError(VIEW, "asks the same twice")
    shared = [item for item in params if item[0] != VIEW]
    return [_question(views, name, shared) for name in names]


def _question(views: Mapping[str, View], name: str, shared: Sequence[tuple[str, str]]) -> Asked:
    view_name, _, query = name.partition("?")
    if not name.isprintable():
        raise ParameterError(VIEW, "has a letter that can't be shown")
    if view_name not in views:
        raise no_view(view_name, views)
    view = views[view_name]
    own = parse_qsl(query, keep_blank_values=True)
    left = {one.name for one in view_parameters(view)} - {item[0] for item in own}
    return Asked(name, view, (*own, *(item for item in shared if item[0] in left)))


class JointStreams:
    """The streams of one replica, each of which shares its questions' answers with all others."""

    def __init__(self, replica: Replica, questions: Questions, broadcasts: Broadcasts) -> None:
        self._replica = replica
        self._questions = questions
        self._broadcasts = broadcasts

    async def events(
        self, asked: Sequence[Asked], visitor: Visitor, last_id: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        """All answers at once (but for those of `last_id`), then whatever has changed. A question that the
        visitor may not ask is told once, and the others go on. Raises `ParameterError` for the first answers.
        """
        known = (last_id or "").split(".")
        contents = known if len(known) == len(asked) else [""] * len(asked)
        first = [await self._first(one, visitor) for one in asked]
        stream = _JointStream(self._replica, self._broadcasts, visitor, contents)
        following: list[Callable[[], Coroutine[Any, Any, None]]] = []
        for at, (one, found) in enumerate(zip(asked, first, strict=True)):
            if isinstance(found, ForbiddenError):
                yield _not_shown(one, found)
                continue
            if _content(found) != contents[at]:
                yield stream.event(at, one, found)
            following.append(partial(stream.follow, at, one, found.content))
        following.append(partial(stream.tell_status, {one.view.name for one in asked}))
        async with contextlib.aclosing(stream.events(following)) as events:
            async for event in events:
                yield event

    async def _first(self, one: Asked, visitor: Visitor) -> Answered | ForbiddenError:
        try:
            return await self._questions.ask("rows", one.view, one.params, visitor.scope())
        except ForbiddenError as error:
            return error


class _JointStream:
    """One of them. `contents`: what the newest answer to each question is known by, as the client has it."""

    def __init__(
        self, replica: Replica, broadcasts: Broadcasts, visitor: Visitor, contents: list[str]
    ) -> None:
        self._replica = replica
        self._broadcasts = broadcasts
        self._visitor = visitor
        self._contents = contents
        self._out: asyncio.Queue[bytes | None] = asyncio.Queue(1)

    async def events(
        self, following: Sequence[Callable[[], Coroutine[Any, Any, None]]]
    ) -> AsyncGenerator[bytes, None]:
        """What these put, until one of them puts None."""
        running = [asyncio.create_task(one(), name="joint-stream") for one in following]
        try:
            while (event := await self._out.get()) is not None:
                yield event
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def follow(self, at: int, one: Asked, shown: str) -> None:
        """Put each further answer to a question."""
        sent_at = self._replica.clock.monotonic()
        news = self._broadcasts.news(one.view, one.params, self._visitor, shown, sent_at)
        try:
            async with contextlib.aclosing(news):
                async for answered in news:
                    if answered is not None:
                        await self._out.put(self.event(at, one, answered))
        except ForbiddenError as error:
            await self._out.put(_not_shown(one, error))
        except Exception as error:  # noqa: BLE001 - the stream ends with it, whatever it is
            await self._end(error)

    async def tell_status(self, views: Collection[str]) -> None:
        """Say once a second that the stream is alive, and how old each view is: an answer that stays the same
        does not."""
        while not self._replica.closing.is_set():
            try:
                self._visitor.scope()
            except AccessEndedError as error:
                await self._end(error)
                return
            told = await self._replica.run(partial(_status, views=views, situation=self._replica.situation()))
            await self._out.put(f"event: {STATUS}\ndata: ".encode() + msgspec.json.encode(told) + b"\n\n")
            await self._replica.pause(STATUS_SECONDS)
        await self._out.put(None)

    async def _end(self, error: Exception) -> None:
        if not isinstance(error, ENDINGS):
            log.error("a stream failed", exc_info=error)
        elif (told := ended(error)) is not None:
            await self._out.put(told)
        await self._out.put(None)

    def event(self, at: int, one: Asked, answered: Answered) -> bytes:
        """An answer, on its way."""
        self._contents[at] = _content(answered)
        head = f"event: {one.name}\nid: {'.'.join(self._contents)}\nretry: {RETRY_MS}\ndata: "
        return head.encode() + answered.body + b"\n\n"


def _status(reader: ReaderState, *, views: Collection[str], situation: Situation) -> dict[str, Any]:
    found = {}
    for name in views:
        view = reader.views[name].view
        age = status(reader, view, situation).freshness_seconds
        found[name] = {
            "freshness_seconds": None if age is None else round(age, 3),
            "stale_because": [f"{s[0]}-{s[1]}: {why}" for s, why in stale_sources(reader, view, situation)],
        }
    return {"as_of": format_time(situation.wall_us), "views": found}


def _content(answered: Answered) -> str:
    """What an answer is known by, short: all that a page asks has to fit into one header."""
    return xxhash.xxh3_64_hexdigest(answered.content.encode())


def _not_shown(one: Asked, error: ForbiddenError) -> bytes:
    told = {"view": one.view.name, "question": one.name, "status": 403, "detail": str(error)}
    return f"event: {NOT_SHOWN}\ndata: ".encode() + msgspec.json.encode(told) + b"\n\n"
