"""An answer of the api as something to read in a terminal: a line about the answer, then a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.cli.formats import NUMBER_ENDS, age, cell, heading, instant

MAX_PARTITIONS_NAMED = 8


def view_table(answer: dict[str, Any]) -> RenderableType:
    """A view's answer (docs/contract.md §6)."""
    return Group(_about(answer), *_why_incomplete(answer), Text(), _rows(answer["rows"]))


def entities_table(answer: dict[str, Any]) -> RenderableType:
    """The entities of a view, oldest first."""
    parts: list[RenderableType] = [_about(answer), *_why_incomplete(answer), Text(), _rows(answer["rows"])]
    if answer.get("cursor"):
        parts.append(Text(f"\nmore: --cursor {answer['cursor']}", style="dim"))
    return Group(*parts)


def views_table(listed: Sequence[dict[str, Any]]) -> RenderableType:
    """Every view, with what it can be asked for."""
    table = _plain_table()
    for column in ("view", "kind", "dimensions", "description"):
        table.add_column(column, overflow="fold", no_wrap=column != "description")
    for view in listed:
        dimensions = ", ".join(view["dimensions"])
        table.add_row(Text(view["name"], style="bold"), view["kind"], dimensions, view["description"])
    return table


def _about(answer: dict[str, Any]) -> Text:
    line = Text(answer["view"], style="bold")
    line.append(f"  as of {instant(answer['as_of'])} UTC", style="not bold")
    if answer.get("from") and answer.get("to"):
        line.append(f" · from {instant(answer['from'])} to {instant(answer['to'])}", style="not bold")
    fresh = answer.get("freshness_seconds")
    if fresh is not None:
        line.append(f" · fresh to {age(fresh)}", style="not bold")
    if answer.get("complete") is not None:
        line.append(" · complete: ", style="not bold")
        line.append(*(("yes", "green") if answer["complete"] else ("NO", "bold red")))
    return line


def _why_incomplete(answer: dict[str, Any]) -> list[Text]:
    """Which partitions hold the answer back, worst first; nothing if it is complete."""
    if answer.get("complete") is not False:
        return []
    behind = sorted(answer.get("partitions", []), key=_lag, reverse=True)
    behind = [partition for partition in behind if _lag(partition) > 0]
    if not behind:
        return [Text("  no worker reports on some partition, or records were lost", style="red")]
    lines = [Text(f"  {_lagging(partition)}", style="red") for partition in behind[:MAX_PARTITIONS_NAMED]]
    if len(behind) > MAX_PARTITIONS_NAMED:
        lines.append(Text(f"  and {len(behind) - MAX_PARTITIONS_NAMED} partitions more", style="red"))
    return lines


def _lag(partition: dict[str, Any]) -> float:
    """Records behind; unknown (no worker, or not yet read) is the worst."""
    known = partition.get("checkpoint_offset") is not None and partition.get("lag_records") is not None
    return float(partition["lag_records"]) if known else float("inf")


def _lagging(partition: dict[str, Any]) -> str:
    name = f"{partition['topic']}-{partition['partition']}"
    if partition.get("checkpoint_offset") is None:
        return f"{name}: nothing has been folded yet"
    if partition.get("lag_records") is None:
        return f"{name}: no worker reports on it"
    return f"{name}: {partition['lag_records']:,} records behind"


def _rows(rows: Sequence[dict[str, Any]]) -> RenderableType:
    if not rows:
        return Text("no rows", style="dim")
    table = _plain_table()
    names = list(rows[0])
    for name in names:
        numeric = name.endswith(NUMBER_ENDS) or any(_is_number(row[name]) for row in rows)
        table.add_column(heading(name), justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(cell(name, row[name], row.get("currency")) for name in names))
    return table


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain_table() -> Table:
    return Table(box=None, pad_edge=False, header_style="bold cyan", padding=(0, 2, 0, 0))
