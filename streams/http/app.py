"""The api as an ASGI application (docs/contract.md §6)."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from streams.feed.replica import Replica
from streams.http import docs_page, gates, operation, problems, views
from streams.http.gate_table import GateTable
from streams.http.head import head_as_get
from streams.http.views import ScopeOf
from streams.version import VERSION
from tables.scope import Scope

DESCRIPTION = (
    "Replica views over marketplace events, exact up to each partition's checkpoint. Errors are"
    " application/problem+json. Amounts are integers in the currency's minor unit; times are RFC 3339 in UTC."
)


def everything(_: Request) -> Scope:
    """Every city, and null."""
    return None


def create_app(replica: Replica, scope_of: ScopeOf = everything, table: GateTable | None = None) -> FastAPI:
    """The routes over one feed's state. `scope_of`: which cities a request may see; `table`: the gates."""
    app = FastAPI(title="Sluice", version=VERSION, description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.add_middleware(head_as_get)
    problems.install(app, replica.views)
    app.include_router(views.router(replica, scope_of))
    app.include_router(gates.router(table or GateTable(replica.settings), replica.clock, scope_of))
    app.include_router(operation.router(replica))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(docs_page.page(app.openapi(), replica.views.values()), media_type="text/html")

    return app
