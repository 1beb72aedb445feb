"""What queries come to, computed once for all who ask the same at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import msgspec
import xxhash

from streams.feed.replica import Replica
from tables.read.state import ReaderState
from tables.spec.measures import Unit
from tables.spec.view import View

SLOW_SECONDS = 0.01
SHARED_FOR = 2.0
"""An answer that took longer than this (of the CPU) is given to others for so many times as long, so that one
question takes a third of a core at most, however many ask it."""
LONGEST_SECONDS = 0.25
MOST_KEPT = 256
CHANGES = (
    "from",
    "to",
    "watermark",
    "complete",
    "since",
    "warnings",
    "incomplete_because",
    "state",
    "cursor",
)
"""Members of an answer that make it another one, besides its rows."""

Answer = dict[str, Any]
Ask = Callable[[ReaderState], tuple[View, tuple[str, ...], Answer]]
"""Answers with the view by the definition that answers, and the columns of the rows."""


class Answered(NamedTuple):
    """An answer. `columns`: of its rows; `body`: as JSON; `content`: what it is known by (`fingerprint`)."""

    answer: Answer
    columns: tuple[str, ...]
    body: bytes
    content: str

    @property
    def tag(self) -> str:
        """What the content is known by as of its checkpoints. Ages grow between two answers of one tag."""
        offsets = [partition["checkpoint_offset"] for partition in self.answer["partitions"]]
        return digest([self.content, offsets])


class _Shared(NamedTuple):
    """An answer that is being computed, which all who ask meanwhile get: nothing changes in that time. A slow
    one is given away `until` then (monotonic; infinite while it is being computed)."""

    answered: asyncio.Future[Answered]
    until: list[float]


class Answers:
    """The answers of one replica. Questions are told apart by what they may see, too: by their keys."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._shared: dict[Hashable, _Shared] = {}

    async def of(self, key: Hashable, ask: Ask) -> Answered:
        """What `ask` answers, or has just answered others of the same key. Raises what it raises."""
        shared = self._shared.get(key)
        if shared is None or shared.until[0] < time.monotonic():
            shared = self._shared[key] = self._compute(key, ask)
        return await asyncio.shield(shared.answered)

    def _compute(self, key: Hashable, ask: Ask) -> _Shared:
        self._forget()

        def work(reader: ReaderState) -> tuple[Answered, float]:
            began = time.thread_time()
            view, columns, answer = ask(reader)
            rows = msgspec.json.encode(answer["rows"])
            body = msgspec.json.encode({**answer, "rows": msgspec.Raw(rows)})
            found = Answered(answer, columns, body, fingerprint(view, answer, rows))
            return found, time.thread_time() - began

        async def run() -> Answered:
            try:
                found, seconds = await self._replica.run(work)
            except BaseException:
                del self._shared[key]
                raise
            if seconds > SLOW_SECONDS:
                shared.until[0] = time.monotonic() + min(LONGEST_SECONDS, SHARED_FOR * seconds)
            else:
                del self._shared[key]
            return found

        task = asyncio.ensure_future(run())
        # Who asked may have gone meanwhile: that nobody takes an error is no fault.
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        shared = _Shared(task, [float("inf")])
        return shared

    def _forget(self) -> None:
        if len(self._shared) >= MOST_KEPT:
            now = time.monotonic()
            self._shared = {key: one for key, one in self._shared.items() if one.until[0] >= now}


def fingerprint(view: View, answer: Answer, rows_as_json: bytes) -> str:
    """What an answer is known by. An age that grows with the clock is no change, nor is an offset or a lag;
    what comes of them is: rows, the window, the watermark, `complete` and why, warnings."""
    ages = [measure.name for measure in view.measures if measure.unit is Unit.SECONDS]
    if ages:
        rows = [{name: value for name, value in row.items() if name not in ages} for row in answer["rows"]]
        rows_as_json = msgspec.json.encode(rows)
    told = xxhash.xxh3_128(rows_as_json)
    told.update(msgspec.json.encode([view.definition_hash, *(answer.get(name) for name in CHANGES)]))
    return told.hexdigest()


def digest(told: object) -> str:
    """What something that can be written as JSON is known by."""
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode(told))
