"""The api as an ASGI application (docs/contract.md §6)."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from streams.access.access import EVERYONE, Visitor
from streams.access.identity import Headers
from streams.feed.replica import Replica
from streams.http.answer import problems
from streams.http.answer.head import head_as_get
from streams.http.answer.headers import secure_headers
from streams.http.background.ops_topics import OpsTopics
from streams.http.connection.guard import Guard, VisitorOf
from streams.http.connection.requests_log import counted
from streams.http.routes import (
    alarm_acks,
    alarms,
    bad_records,
    console,
    docs_page,
    explain,
    gate_overrides,
    gates,
    operation,
    pipeline,
    views,
)
from streams.version import VERSION

DESCRIPTION = (
    "Replica views over marketplace events, exact up to each partition's checkpoint. Errors are"
    " application/problem+json. Amounts are integers in the currency's minor unit; times are RFC 3339 in UTC."
)


def everyone(headers: Headers, address: str | None) -> Visitor:  # noqa: ARG001
    """Nobody is asked who they are, and anybody sees all."""
    return EVERYONE


def create_app(replica: Replica, visitor_of: VisitorOf = everyone, ops: OpsTopics | None = None) -> ASGIApp:
    """The routes over one feed's state, behind all that stands before them. `visitor_of`: who asks; `ops`:
    gates and alarms."""
    settings = replica.settings
    origins = settings.http_cors_origins
    app: ASGIApp = Guard(head_as_get(create_api(replica, ops)), settings, visitor_of)
    if origins:
        app = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_headers=["authorization", "last-event-id"],
            expose_headers=["etag", "retry-after"],
        )
    app = secure_headers(app, shared=bool(origins))
    return counted(app, logged=bool(settings.http_access_log))


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The description, with how to say who asks: whether that is needed is a matter of SLUICE_AUTH."""
        document = super().openapi()
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        for path, methods in document["paths"].items():
            if path.startswith("/v1/"):
                for operation in methods.values():
                    operation["security"] = [{"bearer": []}, {}]
        return document


def create_api(replica: Replica, ops: OpsTopics | None = None) -> FastAPI:
    """The routes alone."""
    app = _Api(title="Sluice", version=VERSION, description=DESCRIPTION, docs_url=None, redoc_url=None)
    problems.install(app, replica.views)
    app.include_router(explain.router(replica))
    app.include_router(views.router(replica))
    ops = ops or OpsTopics(replica.settings)
    app.include_router(gates.router(ops, replica.clock))
    app.include_router(gate_overrides.router(ops, replica.settings, replica.clock))
    app.include_router(alarms.router(ops, replica.clock))
    app.include_router(alarm_acks.router(ops, replica.settings, replica.clock))
    app.include_router(pipeline.router(replica))
    app.include_router(operation.router(replica))
    app.include_router(bad_records.router(replica))
    app.include_router(console.router(replica))
    console.install(app)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        body = docs_page.page(app.openapi(), replica.views.values())
        policy = {"content-security-policy": docs_page.POLICY}
        return Response(body, media_type="text/html", headers=policy)

    return app
