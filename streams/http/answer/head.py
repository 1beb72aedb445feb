"""HEAD: what GET would answer, without its body. Not for streams, whose GET has no end."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

STREAMS = "/v1/stream/"
"""Below it, and it itself."""


def methods(path: str) -> str:
    """The methods that a path knows, as the header `allow` has them."""
    if path.endswith("/override"):
        return "POST"
    return "GET" if f"{path}/".startswith(STREAMS) else "GET, HEAD"


def head_as_get(app: ASGIApp) -> ASGIApp:
    """The app, given HEAD as GET. The server knows what was asked, and leaves out the body."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD" and "HEAD" in methods(scope["path"]):
            scope = {**scope, "method": "GET"}
        await app(scope, receive, send)

    return answer
