"""What `sluice verify` found, as something to read in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streams.cli.formats import cell, instant
from streams.cli.page import Page, prose
from streams.cli.screen import Screen
from streams.cli.table import Column, Kind, table

if TYPE_CHECKING:
    from streams.verify.answer import Answer
    from streams.verify.compare import Difference
    from streams.verify.proof import Verdict

STYLES = {"equal": "good", "different": "alarm", "unverified": "note"}
MOST_DIFFERENCES = 50
MOST_PARTITIONS = 6


def verdict_page(verdict: Verdict, screen: Screen) -> Page:
    """A line with the verdict, what is to be said of it, and the differences."""
    first = screen.styled(verdict.state.value, STYLES[verdict.state.value])
    above = prose(_said(verdict), screen, first=f"{first}  ", indent=2)
    for note in verdict.notes:
        above += prose(note, screen, "note", indent=2)
    if not verdict.differences:
        return Page(above)
    assert verdict.answer is not None
    page = _table(verdict.answer.group_by, verdict.differences[:MOST_DIFFERENCES], screen)
    more = len(verdict.differences) - MOST_DIFFERENCES
    below = [*page.below, *(prose(f"and {more:,} more: --json has all", screen, "aside") if more > 0 else [])]
    return Page([*above, "", *page.above], page.rows, [*below, ""])


def _said(verdict: Verdict) -> str:
    name, answer = verdict.view.name, verdict.answer
    if answer is None:
        return name
    window = f", {instant(answer.start)} to {instant(answer.end)}" if answer.start and answer.end else ""
    looked = (
        f"{len(answer.rows):,} rows over {verdict.records:,} records" if verdict.records else "no records"
    )
    return f"{name}: {looked}{window}; {offsets(answer)}"


def offsets(answer: Answer) -> str:
    """The records that an answer rests on."""
    shown = [f"{one.name} {one.first:,}–{one.next - 1:,}" for one in answer.spans]
    more = len(shown) - MOST_PARTITIONS
    few = [*shown[: MOST_PARTITIONS - 1], f"and {more + 1} more partitions"] if more > 0 else shown
    return ", ".join(few) or "no offsets"


def _table(group_by: Sequence[str], found: Sequence[Difference], screen: Screen) -> Page:
    numbers = [Column(heading, Kind.NUMBER) for heading in ("live", "computed")]
    columns = [*map(Column, group_by), Column("measure"), *numbers]
    rows = []
    for one in found:
        currency = one.row.get("currency")
        values = [cell(one.measure, value, currency) for value in (one.live, one.computed)]
        rows.append([*(cell(name, one.row[name], None) for name in group_by), one.measure, *values])
    return table(columns, rows, screen)
