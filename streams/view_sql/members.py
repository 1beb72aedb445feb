"""Members of events as SQL (DuckDB) has them: `payload` is JSON, and what is taken out of it is text."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from schemas.catalogue import EVENTS
from tables.spec.fields import CITY, Value
from tables.spec.view import View


def dimension(view: View, name: str) -> str:
    """A dimension of what a view looks at."""
    return member_of(view.events, name)


def member_of(events: Collection[str], name: str) -> str:
    """A payload's member as text; null of those of the events that do not declare it, whatever they have
    under that name."""
    declaring = sorted(event for event in events if name in EVENTS[event].payload.model_fields)
    found = member(declaring[0] if declaring else min(events), name)
    if name == CITY or len(declaring) == len(events):
        return found
    return f"CASE WHEN event IN ({texts(declaring)}) THEN {found} END"


def member(event: str, name: str) -> str:
    """A payload's member as text, with what stands for it where it is left out; the city is the
    envelope's."""
    if name == CITY:
        return CITY
    fields = EVENTS[event].payload.model_fields
    plain = f"payload->>'{name}'"
    if name not in fields or fields[name].is_required() or fields[name].default is None:
        return plain
    return f"coalesce({plain}, {literal(fields[name].default)})"


def quoted(name: str) -> str:
    """A column by its name, whatever that is a word of: `left`, `order`."""
    return '"' + name.replace('"', '""') + '"'


def named(text: str, name: str) -> str:
    """What is selected under a name."""
    column = quoted(name)
    return column if text in (name, column) else f"{text} AS {column}"


def compared(text: str, value: Value) -> str:
    """Whether a member, as text, is this value."""
    return f"{text} IS NULL" if value is None else f"{text} = {literal(value)}"


def literal(value: object) -> str:
    """A value as JSON has it, as a text of SQL."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    return "'" + text.replace("'", "''") + "'"


def texts(values: Iterable[str]) -> str:
    """A list of texts."""
    return ", ".join(map(literal, values))
