"""Answers on their way: their form, whether they are new to who asks, how they are packed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from backports import zstd
from isal import igzip
from starlette.requests import Request
from starlette.responses import Response

from streams.http.answer.formats import MEDIA_TYPES, Format, chosen_format, rendered

SMALL_BYTES = 1024
"""What is smaller is not packed."""
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstd.compress(body, 1),
    "gzip": lambda body: igzip.compress(body, 1),
}
"""By content coding, the best first."""
VARY = "accept, accept-encoding, authorization"
KEPT = "private, no-cache"
"""Who asked may keep it, and has to ask each time whether it still is the newest."""


class Listing(NamedTuple):
    """A list to answer with.

    `name`: what to call it as a file; `columns`: of its rows, which are the `answer`'s `member`; `tag`:
    differs where the answer does; `body`: the answer as JSON, if that is there already.
    """

    name: str
    columns: Sequence[str]
    answer: Mapping[str, Any]
    tag: str
    body: bytes | None = None
    member: str = "rows"


def reply(request: Request, listing: Listing) -> Response:
    """A list, as it is asked for. Raises `ParameterError`."""
    form = chosen_format(request)
    etag = f'W/"{listing.tag}-{form}"'
    headers = {"cache-control": KEPT, "etag": etag, "vary": VARY, **_next(request, listing.answer)}
    if knows(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    body = listing.body
    if body is None or form != "json":
        body = rendered(form, listing.columns, listing.answer, listing.member)
    if form == "csv":
        headers["content-disposition"] = f'attachment; filename="{listing.name}.csv"'
    return packed(request, body, form, headers)


def packed(request: Request, body: bytes, form: Format, headers: dict[str, str]) -> Response:
    """A body, packed if who asks can unpack it."""
    coding = content_coding(request.headers.get("accept-encoding", ""))
    if coding is not None and len(body) >= SMALL_BYTES:
        body = PACKERS[coding](body)
        headers = {**headers, "content-encoding": coding}
    return Response(body, media_type=MEDIA_TYPES[form], headers=headers)


def content_coding(accepted: str) -> str | None:
    """The best content coding that an Accept-Encoding header allows; None: as it is."""
    allowed: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        allowed[coding] = not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return next((coding for coding in PACKERS if allowed.get(coding, allowed.get("*", False))), None)


def knows(if_none_match: str | None, etag: str) -> bool:
    """Whether who asks has this answer already (RFC 9110, 13.1.2: tags are compared weakly)."""
    if if_none_match is None:
        return False
    opaque = etag.removeprefix("W/")
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or opaque in tags


def _next(request: Request, answer: Mapping[str, Any]) -> dict[str, str]:
    """Where the next page is, as a Link header (RFC 8288)."""
    cursor = answer.get("cursor")
    if cursor is None:
        return {}
    url = request.url.remove_query_params("cursor").include_query_params(cursor=cursor)
    return {"link": f'<{url.path}?{url.query}>; rel="next"'}
