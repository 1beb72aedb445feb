"""The events behind a view's rows, as something to read in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from streams.cli.formats import cell, heading, instant
from streams.cli.page import Page, prose
from streams.cli.screen import Screen
from streams.cli.table import Column, Kind, table

PLACE = ("topic", "partition", "offset")
ALWAYS = ("event_id", "event", "occurred_at", *PLACE, "amount", "because")
"""Members of an event that are no dimensions of the view."""


def explain_page(answer: Mapping[str, Any], screen: Screen) -> Page:
    """An answer of /v1/views/{name}/explain."""
    parts = [
        _about(answer, screen),
        _section("What they add", _events(answer["events"], screen), screen),
        _section("The newest", _examples(answer["newest"], screen), screen),
        _section("The largest", _examples(answer["largest"], screen), screen),
        *(_left_out(one, screen) for one in answer["left_out"]),
    ]
    return Page([*chain.from_iterable(parts)])


def _about(answer: Mapping[str, Any], screen: Screen) -> list[str]:
    window = ""
    if answer["from"] and answer["to"]:
        window = f" · from {instant(answer['from'])} to {instant(answer['to'])}"
    lines = prose(
        f"as of {instant(answer['as_of'])} UTC{window}",
        screen,
        first=f"{screen.styled(answer['view'], 'name')}  ",
        indent=2,
    )
    lines += prose(verdict_of(answer), screen, _style(answer["adds_up"]), indent=2)
    for note in answer["notes"]:
        lines += prose(note, screen, "note", indent=2)
    for one in answer["differences"]:
        row, measure = one["row"], one["measure"]
        dimensions = ", ".join(f"{name} {cell(name, value, None)}" for name, value in row.items())
        live, computed = (cell(measure, one[of], row.get("currency")) for of in ("live", "computed"))
        said = f"{dimensions}: {measure} is {live}, and {computed} by its events"
        lines += prose(said, screen, "alarm", indent=2)
    for partition in answer["partitions"]:
        lines += prose(_partition(partition), screen, "aside", indent=2)
    return lines


def verdict_of(answer: Mapping[str, Any]) -> str:
    """Whether the events add up to the rows."""
    rows = f"{len(answer['rows']):,} rows"
    if answer["adds_up"] is None:
        return f"{rows}; whether these events add up to them is not known"
    sources = " and ".join(f"{count:,} from {name}" for name, count in sorted(answer["sources"].items()))
    how = "add up to them" if answer["adds_up"] else "do NOT add up to them"
    return f"{rows}; the events ({sources or 'none'}) {how}"


def _style(adds_up: bool | None) -> str:
    return "note" if adds_up is None else "good" if adds_up else "alarm"


def _partition(one: Mapping[str, Any]) -> str:
    tail = f", {one['kafka_records']:,} records of them from Kafka" if one["kafka_records"] else ""
    last = one["checkpoint_offset"] - 1
    return f"{one['topic']}-{one['partition']}: offsets {one['first_offset']:,} to {last:,}{tail}"


def _events(rows: Sequence[Mapping[str, Any]], screen: Screen) -> Page:
    names = list(rows[0] if rows else {})
    keys = names[: names.index("records")] if rows else []
    measures = [name for name in names if name not in (*keys, "records") and any(row[name] for row in rows)]
    columns = [*map(Column, keys), *(Column(heading(name), Kind.NUMBER) for name in ("records", *measures))]
    cells = [
        [cell(name, row[name], row.get("currency")) for name in (*keys, "records", *measures)] for row in rows
    ]
    return table(columns, cells, screen)


def _examples(rows: Sequence[Mapping[str, Any]], screen: Screen) -> Page:
    dimensions = [name for name in (rows[0] if rows else {}) if name not in ALWAYS]
    because = any("because" in row for row in rows)
    columns = [
        *(Column(name) for name in ("occurred", "event", "event id", *map(heading, dimensions))),
        Column("amount", Kind.NUMBER),
        Column("place"),
        *([Column("because", Kind.TEXT)] if because else []),
    ]
    cells = []
    for row in rows:
        place = f"{row['topic']}-{row['partition']}@{row['offset']}"
        currency = row.get("currency")
        named = [cell(name, row[name], None) for name in ("occurred_at", "event", "event_id", *dimensions)]
        amount = cell("amount_minor" if currency else "amount", row["amount"], currency)
        cells.append([*named, amount, place, *([row["because"]] if because else [])])
    return table(columns, cells, screen, least_needed=())


def _left_out(one: Mapping[str, Any], screen: Screen) -> list[str]:
    page = _examples(one["examples"], screen)
    return _section(f"Left out as {one['why']}: {one['records']:,}", page, screen)


def _section(title: str, page: Page, screen: Screen) -> list[str]:
    if not page.rows:
        return []
    return ["", *prose(title, screen, "heading"), *page.lines()]
