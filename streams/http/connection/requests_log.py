"""Requests are counted, and have a line of the log each: who asked what, and what came of it; never what they
have shown."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams import metrics
from streams.http.connection.guard import VISITOR

log = logging.getLogger(__name__)

OFTEN = frozenset({"/healthz", "/readyz", "/metrics"})
"""What Prometheus and probes ask all day."""
MOST_SHOWN = 500
GONE = 499
"""The status of what the client did not wait for, as nginx has it."""


def counted(app: ASGIApp, *, logged: bool) -> ASGIApp:
    """The app; each request is counted when it has been answered, or left, and `logged`."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.monotonic()
        status, size = GONE, 0

        async def sending(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            metrics.HTTP_REQUESTS.labels(status).inc()
            if logged and scope["path"] not in OFTEN:
                _log(scope, status, size, time.monotonic() - began)

    return answer


def _log(scope: Scope, status: int, size: int, seconds: float) -> None:
    visitor = scope.get(VISITOR)
    path = scope["path"][:MOST_SHOWN]
    fields = {
        "analyst": None if visitor is None else visitor.analyst,
        "address": scope["client"][0] if scope.get("client") else None,
        "method": scope["method"],
        "path": path,
        "query": scope["query_string"][:MOST_SHOWN].decode("latin-1"),
        "status": status,
        "bytes": size,
        "seconds": round(seconds, 3),
    }
    log.info("%s %s: %d", scope["method"], path, status, extra={"fields": fields})
