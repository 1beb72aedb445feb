"""The forms in which a list is answered: JSON as docs/contract.md has it, its rows alone, or CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from starlette.requests import Request

from tables.query.declarations import Parameter
from tables.query.params import ParameterError, check_known

Format = Literal["json", "flat", "csv"]
Row = dict[str, Any]

MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "flat": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
}
FORMAT = Parameter(
    "format",
    "csv, as with `Accept: text/csv`; flat: a JSON array of the rows, as docs/api.md has it.",
    {"type": "string", "enum": [*MEDIA_TYPES], "default": "json"},
)
FORMULA = re.compile(r"[=+\-@\t\r\n|%]")
"""How a text begins that spreadsheets compute (OWASP, CSV injection)."""
STAMPS = ("as_of", "complete")
"""Members of an answer that its rows carry where they come without it: how new, and whether complete."""


def asked_params(request: Request) -> tuple[tuple[str, str], ...]:
    """The query parameters but for the form, in their order."""
    return tuple(item for item in request.query_params.multi_items() if item[0] != FORMAT.name)


def check_only_format(request: Request) -> None:
    """Nothing but the form can be asked for. Raises `ParameterError`."""
    for name, _ in asked_params(request):
        check_known(name, [FORMAT])


def chosen_format(request: Request) -> Format:
    """The form that is asked for: by the parameter, else by the header Accept. Raises `ParameterError`."""
    asked = request.query_params.getlist(FORMAT.name)
    if len(asked) > 1:
        raise ParameterError(FORMAT.name, "must be given once")
    if not asked:
        return "csv" if _prefers_csv(request.headers.get("accept", "")) else "json"
    for known in MEDIA_TYPES:
        if asked[0] == known:
            return known
    raise ParameterError(FORMAT.name, f"must be one of {', '.join(MEDIA_TYPES)}")


def _prefers_csv(accept: str) -> bool:
    """Whether CSV is named, and not after JSON."""
    csv_quality = json_quality = 0.0
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((_number(one.removeprefix("q=")) for one in parameters if one.startswith("q=")), 1.0)
        if media == "text/csv":
            csv_quality = quality
        elif media == "application/json":
            json_quality = quality
    return csv_quality > json_quality


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.[0-9]{0,3})?", text) else 0.0


def rendered(form: Format, columns: Sequence[str], answer: Mapping[str, Any], member: str) -> bytes:
    """An answer in a form. `member`: the one with the rows, of which there may be none; `columns`: theirs."""
    if form == "json":
        return msgspec.json.encode(answer)
    stamps = {name: answer[name] for name in STAMPS if name in answer}
    rows = [{**row, **stamps} for row in answer[member]]
    return msgspec.json.encode(rows) if form == "flat" else to_csv([*columns, *stamps], rows)


def to_csv(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    """CSV (RFC 4180) in UTF-8, with a heading; null is empty, several values are parted by blanks."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([[_cell(row.get(name)) for name in columns] for row in rows])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if FORMULA.match(value) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return _cell(" ".join(map(str, value)))
    return value
