"""Headers that tell browsers what an answer may do: nothing; our own pages may load our own files."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
OF_OUR_PAGES = {"cross-origin-resource-policy": "same-origin"}
TLS = {"strict-transport-security": "max-age=31536000"}


def secure_headers(app: ASGIApp, *, shared: bool) -> ASGIApp:
    """The app, with these headers in every answer. `shared`: pages of other origins may read it
    (SLUICE_HTTP_CORS_ORIGINS)."""
    always = ALWAYS if shared else ALWAYS | OF_OUR_PAGES

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        added = always | TLS if scope["scheme"] == "https" else always

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                page = headers.get("content-type", "").startswith("text/html")
                headers.setdefault("content-security-policy", PAGE if page else NOTHING)
                headers.setdefault("cache-control", "no-store")
                for name, value in added.items():
                    headers[name] = value
            await send(message)

        await app(scope, receive, sending)

    return answer
