"""Server-Sent Events: a view's answer, sent again when it changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from functools import partial

import msgspec

from streams.access.access import AccessEndedError, AskAgainError, Visitor
from streams.feed.replica import Replica
from streams.http.answer.answers import Answered
from streams.http.answer.problems import ForbiddenError
from streams.http.answer.questions import Params, Questions
from tables.query.params import ParameterError
from tables.scope import Scope
from tables.spec.view import View

KEEP_ALIVE_SECONDS = 15.0
RETRY_MS = 2000
LOOK_SECONDS = 1.0
"""How often it is looked at whether who asked may still see it."""
HEARTBEAT = b": still here\n\n"
ENDINGS = (AccessEndedError, ForbiddenError, ParameterError)
"""What a stream ends with when its question can't be answered any more."""


class Broadcast:
    """A view's answer, asked for again at most every SLUICE_STREAM_SECONDS, for all whose question it is."""

    def __init__(
        self, replica: Replica, questions: Questions, view: View, params: Params, scope: Scope
    ) -> None:
        self._replica = replica
        self._ask = partial(questions.ask, "rows", view, params, scope)
        self._news = asyncio.Event()
        self.newest: Answered | Exception | None = None

    async def run(self) -> None:
        """Ask until cancelled, or until there is no answer any more."""
        pace = self._replica.settings.stream_seconds
        while not self._replica.closing.is_set() and not isinstance(self.newest, Exception):
            await self._replica.pause(pace)
            await self._replica.changed(
                pace
            )  # a change is sent at once, what time alone brings a little later
            try:
                self.newest = await self._ask()
            except Exception as error:  # noqa: BLE001 - those who follow raise it
                self.newest = error
            news, self._news = self._news, asyncio.Event()
            news.set()

    async def heard(self, timeout_seconds: float) -> None:
        """Wait for the next answer, or until the time-out."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), timeout_seconds)


class Broadcasts:
    """One for each question that somebody follows, for as long as somebody does."""

    def __init__(self, replica: Replica, questions: Questions) -> None:
        self._replica = replica
        self._questions = questions
        self._followers: Counter[Hashable] = Counter()
        self._running: dict[Hashable, tuple[Broadcast, asyncio.Task[None]]] = {}

    @contextlib.asynccontextmanager
    async def followed(self, view: View, params: Params, scope: Scope) -> AsyncIterator[Broadcast]:
        """The broadcast of a question."""
        key = (view.name, params, scope)
        if key not in self._running:
            broadcast = Broadcast(self._replica, self._questions, view, params, scope)
            self._running[key] = (broadcast, asyncio.create_task(broadcast.run(), name=f"stream-{view.name}"))
        self._followers[key] += 1
        broadcast, task = self._running[key]
        try:
            yield broadcast
        finally:
            self._followers[key] -= 1
            if not self._followers[key]:
                del self._followers[key], self._running[key]
                task.cancel()

    async def events(
        self, view: View, params: Params, visitor: Visitor, last_id: str | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The answer at once (unless it is the one of `last_id`), then whenever it has changed.

        Comments keep the connection alive. Ends when the api ends, when the question can't be answered any
        more, and when what the visitor has shown no longer counts. Raises what `Questions.ask` raises for the
        first answer.
        """
        sent_at = self._replica.clock.monotonic()
        answered = await self._questions.ask("rows", view, params, visitor.scope())
        yield HEARTBEAT if answered.content == last_id else _event(answered)
        news = self.news(view, params, visitor, answered.content, sent_at)
        try:
            async with contextlib.aclosing(news):
                async for one in news:
                    yield HEARTBEAT if one is None else _event(one)
        except ENDINGS as error:
            if (told := ended(error)) is not None:
                yield told

    async def news(
        self, view: View, params: Params, visitor: Visitor, shown: str, sent_at: float
    ) -> AsyncGenerator[Answered | None, None]:
        """Answers other than the one `shown` since `sent_at`, None where there has been none for long.
        Ends when the api ends; raises one of `ENDINGS`."""
        while not self._replica.closing.is_set():
            scope = visitor.scope()
            async with (
                self.followed(view, params, scope) as broadcast,
                contextlib.aclosing(self._heard(broadcast, shown, sent_at, visitor, scope)) as heard,
            ):
                async for one in heard:
                    sent_at = self._replica.clock.monotonic()
                    yield one
                    shown = shown if one is None else one.content

    async def _heard(
        self, broadcast: Broadcast, shown: str, sent_at: float, visitor: Visitor, scope: Scope
    ) -> AsyncGenerator[Answered | None, None]:
        """Answers other than the last, None where there has been none for long; while it is this scope."""
        clock = self._replica.clock
        while not self._replica.closing.is_set():
            await broadcast.heard(LOOK_SECONDS)
            if visitor.scope() != scope:
                return
            newest = broadcast.newest
            if isinstance(newest, Exception):
                raise newest
            if newest is not None and newest.content != shown:
                yield newest
                shown, sent_at = newest.content, clock.monotonic()
            elif clock.monotonic() - sent_at >= KEEP_ALIVE_SECONDS:
                yield None
                sent_at = clock.monotonic()


def ended(error: Exception) -> bytes | None:
    """The last event of a stream that can't go on; None for one that is to be asked for anew: nothing is
    wrong."""
    if isinstance(error, AskAgainError):
        return None
    return b"event: error\ndata: " + msgspec.json.encode({"detail": str(error)}) + b"\n\n"


def _event(answered: Answered) -> bytes:
    return f"id: {answered.content}\nretry: {RETRY_MS}\ndata: ".encode() + answered.body + b"\n\n"
