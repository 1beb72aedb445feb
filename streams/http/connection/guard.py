"""What stands before every route: bounds, whose machine is asked for, who asks, and how often."""

from __future__ import annotations

import math
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from streams.access.access import EVERYONE, Visitor
from streams.access.identity import Headers as RawHeaders
from streams.access.identity import UnauthorizedError
from streams.access.rates import Rates
from streams.console.files import FOLDER
from streams.http.answer.problems import problem, unauthorized
from streams.http.answer.questions import JOINT, questions_in
from streams.http.connection.hosts import is_loopback
from streams.settings import Settings

VISITOR = "sluice.visitor"
"""Where in an ASGI scope the visitor is."""
OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
"""What needs no token: what orchestrators and Prometheus ask, which tells of no city."""
PAGE = "/"
"""The console, which is open as its files are, below `FOLDER`: what it shows is asked for with a token."""
MOST_BODY = 65_536
"""What operators send is smaller; what a client sends to another route by mistake is passed over."""

VisitorOf = Callable[[RawHeaders, str | None], Visitor]
"""Headers and the peer's address → who asks. Raises `UnauthorizedError`."""


def visitor(request: Request) -> Visitor:
    """Who asks."""
    found = request.scope[VISITOR]
    assert isinstance(found, Visitor)
    return found


class Guard:
    """The app, behind its checks."""

    def __init__(self, app: ASGIApp, settings: Settings, visitor_of: VisitorOf) -> None:
        self._app = app
        self._visitor_of = visitor_of
        self._rates = Rates(settings.http_rate)
        self._most_query = settings.http_query_bytes
        self._loopback_only = settings.auth == "off"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if len(scope["raw_path"]) + len(scope["query_string"]) > self._most_query:
            return problem(414, f"path and query are longer than {self._most_query:,} bytes")
        if not _small(headers):
            return problem(413, f"the body is over {MOST_BODY:,} bytes")
        if scope["path"] in OPEN or scope["path"] == PAGE or scope["path"].startswith(FOLDER):
            return None
        if self._loopback_only and not _asks_loopback(headers):
            detail = "SLUICE_AUTH=off answers for this machine alone: ask for it by 127.0.0.1 or localhost"
            return problem(421, detail)
        return self._admit(scope)

    def _admit(self, scope: Scope) -> Response | None:
        address = scope["client"][0] if scope.get("client") else None
        try:
            found = self._visitor_of(scope["headers"], address)
        except UnauthorizedError as error:
            return unauthorized(str(error))
        scope[VISITOR] = found
        wait = 0.0 if found is EVERYONE else self._rates.wait_seconds(found.analyst, _questions(scope))
        if wait:
            return problem(429, "too many requests (SLUICE_HTTP_RATE)", {"retry-after": str(math.ceil(wait))})
        return None


def _questions(scope: Scope) -> int:
    """How many requests it counts as: a joint stream as many as it has questions."""
    return max(1, questions_in(scope["query_string"])) if scope["path"] == JOINT else 1


def _small(headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    return length.isascii() and length.isdigit() and int(length[:20]) <= MOST_BODY


def _asks_loopback(headers: Headers) -> bool:
    """Whether the request names this machine. A web page whose name leads here (DNS rebinding) does not."""
    host = headers.get("host")
    if host is None:
        return True
    name = host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host
    return is_loopback(name)
