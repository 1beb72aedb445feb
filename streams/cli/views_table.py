"""An answer of the api as something to read in a terminal: a line about the answer, then a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from streams.cli.common import add_row, as_text, new_table
from streams.cli.formats import NUMBER_ENDS, age, cell, heading, instant

MAX_REASONS = 8


def view_table(answer: dict[str, Any]) -> RenderableType:
    """A view's answer, or a page of its entities (docs/contract.md §6)."""
    parts: list[RenderableType] = [_about(answer), *_why_incomplete(answer)]
    parts += [as_text(f"  {warning}", "yellow") for warning in answer.get("warnings", [])]
    parts += [Text(), _rows(answer["rows"])]
    if answer.get("cursor"):
        parts += [Text(), as_text(f"more: --cursor {answer['cursor']}", "dim")]
    return Group(*parts)


def views_table(listed: Sequence[dict[str, Any]]) -> RenderableType:
    """Every view, with what it can be asked for."""
    table = new_table(("view", "kind", "dimensions", "description"))
    for column in table.columns[:-1]:
        column.no_wrap = True
    for view in listed:
        dimensions = ", ".join(view["dimensions"])
        add_row(table, (as_text(view["name"], "bold"), view["kind"], dimensions, view["description"]))
    former = [as_text(view["former"], "yellow") for view in listed if view.get("former")]
    return Group(table, Text(), *former) if former else table


def _about(answer: dict[str, Any]) -> Text:
    line = as_text(answer["view"], "bold")
    line.append(as_text(f"  as of {instant(answer['as_of'])} UTC", "not bold"))
    if answer.get("from") and answer.get("to"):
        line.append(as_text(f" · from {instant(answer['from'])} to {instant(answer['to'])}", "not bold"))
    fresh = answer.get("freshness_seconds")
    if fresh is not None:
        line.append(f" · fresh to {age(fresh)}", style="not bold")
    if answer.get("complete") is not None:
        line.append(" · complete: ", style="not bold")
        line.append(*(("yes", "green") if answer["complete"] else ("NO", "bold red")))
    return line


def _why_incomplete(answer: dict[str, Any]) -> list[Text]:
    """What holds the answer back, partition by partition, and why; nothing if it is complete."""
    if answer.get("complete") is not False:
        return []
    partitions = answer.get("partitions", [])
    behind = {f"{_name(p)}: {p.get('incomplete_because')}": p.get("lag_records") for p in partitions}
    because = answer.get("incomplete_because") or _what_lags(partitions)
    lines = []
    for why in because[:MAX_REASONS]:
        lag = behind.get(why)
        lines.append(as_text(f"  {why}" + (f" ({lag:,} records behind)" if lag else ""), "red"))
    if len(because) > MAX_REASONS:
        lines.append(Text(f"  and {len(because) - MAX_REASONS} partitions more", style="red"))
    return lines


def _name(partition: dict[str, Any]) -> str:
    return f"{partition['topic']}-{partition['partition']}"


def _what_lags(partitions: Sequence[dict[str, Any]]) -> list[str]:
    """Of an api that does not say why: which partitions lag, worst first; an unknown lag is the worst."""
    lags: dict[str, int | None] = {_name(p): p.get("lag_records") for p in partitions}
    unknown = [f"{name}: no worker reports on it" for name, lag in lags.items() if lag is None]
    known = sorted(((lag, name) for name, lag in lags.items() if lag), reverse=True)
    return unknown + [f"{name}: {lag:,} records behind" for lag, name in known]


def _rows(rows: Sequence[dict[str, Any]]) -> RenderableType:
    if not rows:
        return Text("no rows", style="dim")
    names = list(rows[0])
    shown = _headings(names)
    numeric = {
        shown[name]
        for name in names
        if name.endswith(NUMBER_ENDS) or any(_is_number(row[name]) for row in rows)
    }
    table = new_table(list(shown.values()), right=numeric, fold=False)
    for row in rows:
        add_row(table, [cell(name, row[name], row.get("currency")) for name in names])
    return table


def _headings(names: Sequence[str]) -> dict[str, str]:
    """A heading for each column, none twice: of a count and an amount, the amount says that it is one."""
    shown = {name: heading(name) for name in names}
    alike = Counter(shown.values())
    ambiguous = [name for name in names if alike[shown[name]] > 1 and name.endswith("_minor")]
    return shown | {name: f"{shown[name]} amount" for name in ambiguous}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
