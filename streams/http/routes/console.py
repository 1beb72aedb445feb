"""The console's page and files, open to all, and GET /v1/console: what it has to show to who asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from schemas.currencies import DECIMALS
from streams.console.files import FOLDER, console
from streams.feed.replica import Replica
from streams.http.answer.answers import digest
from streams.http.answer.formats import FORMAT, check_only_format
from streams.http.answer.headers import PAGE
from streams.http.answer.models import ViewListed, asked, listed
from streams.http.answer.problems import COMMON, lists
from streams.http.answer.replies import PACKERS, Listing, content_coding, knows, reply
from streams.http.connection.guard import visitor
from streams.verify.rows import is_computable
from streams.version import VERSION
from tables.query.known_values import known_values
from tables.read.state import ReaderState
from tables.scope import Scope
from tables.spec.fields import CITY
from tables.spec.tile import GROUPS, TileKind
from tables.spec.tiles import CURRENCY, rows_by, tiles_of
from tables.spec.view import View

FOR_GOOD = "public, max-age=31536000, immutable"


class TileShown(BaseModel):
    """A tile of the console, as its view declares it."""

    tile: str = Field(description="what it is known by")
    group: str = Field(description="the page that it is on")
    title: str
    view: str
    kind: TileKind
    measures: list[str]
    rates: list[str] = Field(description="of a funnel, for each stage but the first")
    group_by: list[str] = Field(description="what its rows are told apart by")
    trend: list[str] = Field(description="measures that are drawn by day, too")
    states: list[str] = Field(description="states and selections whose entities it lists")


class ConsoleAnswer(BaseModel):
    """What the console shows to who asks."""

    version: str
    analyst: str
    everywhere: bool = Field(description="whether who asks may see all cities, and what is of none")
    session_seconds: int = Field(description="SLUICE_SESSION_SECONDS")
    stale_seconds: int = Field(description="SLUICE_STALE_SECONDS")
    explains: list[str] = Field(description="the views of which the events behind a number can be asked for")
    cities: list[str] = Field(description="those that there are, of the ones that may be seen")
    currencies: list[str]
    decimals: dict[str, int] = Field(
        description="of a currency's amounts (ISO 4217); two of those that are not named"
    )
    views: list[ViewListed]
    tiles: list[TileShown] = Field(description="by group, those of Sluice's own first")


def router(replica: Replica) -> APIRouter:
    """The route, answering from `replica`."""
    routes = APIRouter(prefix="/v1", tags=["operation"], responses=COMMON)

    @routes.get(
        "/console",
        summary="What the console at / shows: its tiles, as views declare them, and what can be filtered for",
        responses=lists(ConsoleAnswer),
        openapi_extra=asked([FORMAT]),
    )
    async def console_answer(request: Request) -> Response:
        check_only_format(request)
        asking = visitor(request)
        scope = asking.scope()
        answer = {
            "version": VERSION,
            "analyst": asking.analyst,
            "everywhere": scope is None,
            "session_seconds": replica.settings.session_seconds,
            "stale_seconds": replica.settings.stale_seconds,
            "decimals": DECIMALS,
            "explains": [name for name, view in replica.views.items() if is_computable(view)],
            **await replica.run(lambda reader: _shown(reader, replica.views.values(), scope)),
        }
        listing = Listing("tiles", [*TileShown.model_fields], answer, digest(answer), member="tiles")
        return reply(request, listing)

    return routes


def _shown(reader: ReaderState, views: Iterable[View], scope: Scope) -> dict[str, Any]:
    return {
        "cities": sorted(known_values(reader, CITY, scope)),
        "currencies": sorted(known_values(reader, CURRENCY, scope)),
        "views": [
            listed(state.view, reader.definitions.former(name)) for name, state in reader.views.items()
        ],
        "tiles": sorted((tile for view in views for tile in _tiles(view)), key=_place),
    }


def _tiles(view: View) -> list[dict[str, Any]]:
    return [
        TileShown(
            tile=f"{view.name}-{number}",
            group=tile.group,
            title=tile.title,
            view=view.name,
            kind=tile.kind,
            measures=[*(tile.measures or (measure.name for measure in view.measures))],
            rates=[*tile.rates],
            group_by=[*rows_by(view, tile)],
            trend=[*tile.trend],
            states=[*tile.states],
        ).model_dump(mode="json")
        for number, tile in enumerate(tiles_of(view))
    ]


def _place(tile: dict[str, Any]) -> tuple[int, str, bool]:
    """Sluice's own groups first, and the gates before what they are about."""
    group = tile["group"]
    at = GROUPS.index(group) if group in GROUPS else len(GROUPS)
    return at, group, tile["kind"] != TileKind.GATES


def install(app: FastAPI) -> None:
    """Serve the page at `/` and its files. Raises `ConsoleFileError`."""
    served = console()
    policy = PAGE.replace("script-src 'self'", f"script-src 'self' {served.policy}")
    page_tag = f'W/"{digest(served.page.decode())}"'

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        headers = {"cache-control": "no-cache", "etag": page_tag, "content-security-policy": policy}
        if knows(request.headers.get("if-none-match"), page_tag):
            return Response(status_code=304, headers=headers)
        return Response(served.page, media_type="text/html", headers=headers)

    @app.get(FOLDER + "{name:path}", include_in_schema=False)
    async def file(request: Request) -> Response:
        found = served.files.get(request.url.path)
        if found is None:
            raise HTTPException(404, "the console has no such file")
        headers = {"cache-control": FOR_GOOD, "etag": f'"{found.integrity}"', "vary": "accept-encoding"}
        if knows(request.headers.get("if-none-match"), headers["etag"]):
            return Response(status_code=304, headers=headers)
        coding = content_coding(request.headers.get("accept-encoding", ""))
        body = found.body
        if coding is not None:
            body, headers = PACKERS[coding](body), {**headers, "content-encoding": coding}
        return Response(body, media_type=found.media_type, headers=headers)
