"""Errors as RFC 9457 problem documents (docs/contract.md §6)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from streams.access.access import AccessEndedError
from streams.http.answer.head import methods
from streams.http.answer.models import Problem
from streams.http.answer.open_streams import TooManyStreamsError
from tables.gates.declared import GATES as DECLARED
from tables.query.params import ParameterError
from tables.query.values import did_you_mean

log = logging.getLogger(__name__)

GATES = "/v1/gates/"
MEDIA_TYPE = "application/problem+json"


class NotFoundError(Exception):
    """There is no such thing: `detail` says what, `members` what there is instead."""

    def __init__(self, detail: str, **members: list[str]) -> None:
        super().__init__(detail)
        self.members = members


def no_view(name: str, views: Iterable[str], more: str = "") -> NotFoundError:
    """There is no view of that name, with the nearest one."""
    known = [*views]
    return NotFoundError(f"there is no view {name!r}{did_you_mean(name, known)}{more}", views=known)


class ForbiddenError(Exception):
    """Who asks may not see this at all. `str(error)` says who may."""


def described(description: str) -> dict[str, Any]:
    """An error as the OpenAPI document describes it."""
    return {"description": description, "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}


WRONG_PARAMETER = described("A parameter is wrong; `parameter` names it.")
COMMON: dict[int | str, dict[str, Any]] = {
    401: described("It is not known who asks: no token, or one that does not count (SLUICE_AUTH)."),
    403: described("Who asks may not see this at all."),
    413: described("A body over 64 KiB."),
    414: described("Path and query are longer than SLUICE_HTTP_QUERY_BYTES."),
    421: described("Another machine's name was asked for, while SLUICE_AUTH=off."),
    429: described("Too many requests or streams; Retry-After says in how many seconds to ask again."),
}
"""What every route under /v1 may answer, too."""


def lists(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """What a route answers that has a list, in its forms."""
    as_csv = {"text/csv": {"schema": {"type": "string"}}}
    return {
        200: {"model": model | list[dict[str, Any]], "content": as_csv},
        304: {"description": "What If-None-Match names is still the answer, but for ages and lags."},
        400: WRONG_PARAMETER,
    }


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """A problem document; its title is that of the HTTP status."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(msgspec.json.encode(body | members), status, headers, MEDIA_TYPE)


def unauthorized(detail: str) -> Response:
    """401, with how to do better."""
    return problem(401, detail, {"www-authenticate": 'Bearer realm="sluice"'})


def install(app: FastAPI, views: Iterable[str]) -> None:
    """Answer every error of the app with a problem document; where nothing is found it lists these
    views, or the gates."""

    @app.exception_handler(ParameterError)
    async def wrong_parameter(_: Request, error: ParameterError) -> Response:
        return problem(400, str(error), parameter=error.parameter)

    @app.exception_handler(NotFoundError)
    async def not_found(_: Request, error: NotFoundError) -> Response:
        return problem(404, str(error), None, **error.members)

    @app.exception_handler(TooManyStreamsError)
    async def too_many_streams(_: Request, error: TooManyStreamsError) -> Response:
        return problem(429, str(error), {"retry-after": "5"})

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        detail = f"{request.url.path}: {error.detail}"
        if error.status_code == 404:
            if f"{request.url.path}/".startswith(GATES):
                hint = did_you_mean(request.url.path.removeprefix(GATES), DECLARED)
                return problem(404, detail + hint, error.headers, gates=[*DECLARED])
            return problem(404, detail, error.headers, views=list(views))
        if error.status_code == 405:
            allowed = methods(request.url.path)
            return problem(405, f"{request.method} is not possible here, only {allowed}", {"allow": allowed})
        return problem(error.status_code, detail, error.headers)

    _install_access(app)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(500, "this is a fault of the api; its log says more")


def _install_access(app: FastAPI) -> None:
    @app.exception_handler(ForbiddenError)
    async def forbidden(_: Request, error: ForbiddenError) -> Response:
        return problem(403, str(error))

    @app.exception_handler(AccessEndedError)
    async def ended(_: Request, error: AccessEndedError) -> Response:
        return unauthorized(str(error))
