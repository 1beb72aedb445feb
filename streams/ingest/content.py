"""What the body of a request holds, by its content type: values for a mapping."""

from __future__ import annotations

import io
from collections.abc import Sequence

from starlette.datastructures import Headers

from streams.ingest.answers import RefusedRequestError
from streams.sources.files import Text
from streams.sources.mappings import cloudevents
from streams.sources.mappings.cloudevents import CloudEvents
from streams.sources.mappings.csv_rows import Delimiter, csv_values
from streams.sources.mappings.mapping import Mapping
from streams.sources.record import SourceError

MOST_VALUES = 10_000
"""In one request: so that no client holds up the others for long."""
JSON = "application/json"
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
CSV = "text/csv"
BINARY = f"{cloudevents.HEADER_PREFIX}specversion"


def values_of(
    headers: Headers, body: bytes, mapping: Mapping, delimiter: Delimiter | None = None
) -> tuple[Mapping, Sequence[bytes]]:
    """The values of a body, and what maps them: CloudEvents say themselves that they are such.

    `delimiter`: CSV is taken, too. Raises `RefusedRequestError`.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if BINARY in headers:
        return CloudEvents(), (cloudevents.structured(headers, body),)
    if kind in (cloudevents.CONTENT_TYPE, cloudevents.BATCH_CONTENT_TYPE):
        mapping = CloudEvents()
        found: Sequence[bytes] = mapping.values(body)
    elif kind == JSON:
        found = mapping.values(body)
    elif kind in LINES:
        found = [line for line in body.splitlines() if line.strip()]
    elif kind == CSV and delimiter is not None:
        found = _rows(body, delimiter)
    else:
        taken = [JSON, LINES[0], cloudevents.CONTENT_TYPE, cloudevents.BATCH_CONTENT_TYPE]
        taken += [CSV] if delimiter is not None else []
        raise RefusedRequestError(415, f"Content-Type must be one of {', '.join(taken)}")
    if len(found) > MOST_VALUES:
        raise RefusedRequestError(413, f"a request may have {MOST_VALUES} events: send them in several")
    return mapping, found


def _rows(body: bytes, delimiter: Delimiter) -> list[bytes]:
    text = Text("the body", io.BufferedReader(io.BytesIO(body)))
    try:
        return [value for _, value in csv_values(text, delimiter)]
    except SourceError as error:
        raise RefusedRequestError(400, str(error)) from None
