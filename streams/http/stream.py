"""Server-Sent Events: a view's answer, sent again when it changed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from streams.feed.replica import Replica
from tables.query.params import ParameterError, ViewQuery
from tables.query.views import answer_view
from tables.read.state import ReaderState
from tables.scope import Scope
from tables.spec.measures import Unit
from tables.spec.view import View

KEEP_ALIVE_SECONDS = 15.0
RETRY_MS = 2000
CHANGES = ("from", "to", "watermark", "complete", "since", "warnings", "incomplete_because")
"""Members of an answer that make it another one, besides its rows."""


async def events(
    replica: Replica, name: str, parse: Callable[[View], ViewQuery], scope: Scope
) -> AsyncGenerator[bytes, None]:
    """The answer at once, then whenever it has changed, at most every SLUICE_STREAM_SECONDS.

    An age that grows with the clock is no change, nor is an offset or a lag; what comes of them (rows, the
    window, the watermark, `complete` and why, warnings) is. Comments keep the connection alive. Ends when the
    api ends. `parse` makes the query for the definition of the view that answers, which may change.
    """
    pace = replica.settings.stream_seconds
    shown: bytes | None = None
    sent_at = replica.clock.monotonic()
    number = 0

    def ask(reader: ReaderState) -> tuple[bytes, bytes]:
        view = reader.views[name].view
        answer = answer_view(reader, view, parse(view), replica.situation(), scope)
        return _fingerprint(view, answer), msgspec.json.encode(answer)

    while not replica.closing.is_set():
        asked_at = replica.clock.monotonic()
        try:
            print_, body = await replica.run(ask)
        except ParameterError as error:
            if shown is None:
                raise
            yield b"event: error\ndata: " + msgspec.json.encode({"detail": str(error)}) + b"\n\n"
            return
        if print_ != shown:
            number += 1
            yield f"id: {number}\nretry: {RETRY_MS}\ndata: ".encode() + body + b"\n\n"
            shown, sent_at = print_, asked_at
        elif asked_at - sent_at >= KEEP_ALIVE_SECONDS:
            yield b": still here\n\n"
            sent_at = asked_at
        await replica.pause(pace)
        await replica.changed(pace)  # a change is sent at once, what time alone brings a little later


def _fingerprint(view: View, answer: dict[str, Any]) -> bytes:
    ages = {measure.name for measure in view.measures if measure.unit is Unit.SECONDS}
    rows = [{name: value for name, value in row.items() if name not in ages} for row in answer["rows"]]
    return msgspec.json.encode([rows, *(answer.get(name) for name in CHANGES)])
