"""Server-Sent Events, as the HTML standard reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Event(NamedTuple):
    """One event. `kind`: `message` where it has no name; `id`: the newest so far."""

    kind: str
    data: str
    id: str | None


def events_of(lines: Iterable[str]) -> Iterator[Event]:
    """The events of lines without their ends; comments, and what is unknown, are passed over."""
    kind, newest_id = "", None
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield Event(kind or "message", "\n".join(data), newest_id)
            kind, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            kind = value
        elif field == "id" and "\0" not in value:
            newest_id = value
