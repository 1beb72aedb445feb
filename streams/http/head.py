"""HEAD: what GET would answer, without its body. Not for streams, whose GET has no end."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

STREAMS = "/v1/stream/"


def methods(path: str) -> str:
    """The methods that a path knows, as the header `allow` has them."""
    return "GET" if path.startswith(STREAMS) else "GET, HEAD"


class HeadAsGet:
    """Hands on HEAD as GET. The server knows what was asked, and leaves out the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and "HEAD" in methods(scope["path"]):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
