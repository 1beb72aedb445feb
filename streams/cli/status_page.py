"""What `sluice status` shows, as one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from streams.cli.alarms import alarms_page
from streams.cli.formats import MISSING, age, instant
from streams.cli.gates import gates_page
from streams.cli.page import Page, prose
from streams.cli.screen import Screen
from streams.cli.table import Cell, Column, Kind, table

PARTITIONS = (
    Column("partition"),
    Column("worker"),
    Column("lag", Kind.NUMBER),
    Column("fresh to", Kind.NUMBER),
    Column("Bronze lag", Kind.NUMBER),
    Column("oldest", Kind.NUMBER),
)
LEAST_NEEDED = ("oldest", "worker")
BAD = (Column("reason"), Column("records", Kind.NUMBER))
MARKS = {"wrong": "bad", "note": "note"}
GROWING = ("heard_seconds", "freshness_seconds", "bronze_oldest_seconds", "lag_records", "bronze_lag_records")


def what_counts(facts: dict[str, Any]) -> object:
    """What makes them others: not what grows by itself."""
    rows = [
        {name: value for name, value in row.items() if name not in GROWING}
        for row in facts.get("partitions", ())
    ]
    return facts["problems"], rows, facts.get("quarantined"), facts.get("doctor")


def status_page(facts: dict[str, Any], screen: Screen) -> Page:
    """What is wrong first, then what it rests on."""
    problems = facts["problems"]
    verdict = f"NOT ALL RIGHT: {len(problems):,} problems" if problems else "all right"
    if len(problems) == 1:
        verdict = "NOT ALL RIGHT: 1 problem"
    above = [screen.styled(verdict, "alarm" if problems else "good")]
    if "as_of" in facts:
        above += prose(f"as of {instant(facts['as_of'])} UTC · {facts['api']}", screen, "aside")
    rows = [prose(problem, screen, "bad", first="  - ", indent=4) for problem in problems]
    for title, lines in _sections(facts, screen):
        rows += [["", screen.styled(title, "heading")], *([line] for line in lines)]
    return Page(above, rows)


def _sections(facts: dict[str, Any], screen: Screen) -> Iterator[tuple[str, Sequence[str]]]:
    if "partitions" in facts:
        yield "views", _views(facts["views"], screen)
        yield "gates", _gates(facts, screen)
        yield "alarms", _alarms(facts, screen)
        yield "partitions", table(PARTITIONS, _partitions(facts), screen, LEAST_NEEDED).lines()
        yield "quarantined in the last hour", _bad(facts["quarantined"], screen)
    if facts["doctor"] is not None:
        yield "doctor", _doctor(facts["doctor"], screen)


def _views(views: list[dict[str, Any]], screen: Screen) -> Sequence[str]:
    complete = sum(view["complete"] for view in views)
    ages = [view["freshness_seconds"] for view in views]
    fresh = ", how fresh is not known" if None in ages else f", fresh to {age(max(ages))}" if ages else ""
    return prose(f"{complete:,} of {len(views):,} complete{fresh}", screen)


def _gates(facts: dict[str, Any], screen: Screen) -> Sequence[str]:
    """Those that are not ok, and how many are."""
    gates = facts["gates"]
    others = [gate for gate in gates if gate["state"] != "ok"]
    if not others:
        return [f"{len(gates):,} ok"]
    return [*gates_page({"rows": others}, screen).lines(), f"{len(gates) - len(others):,} others ok"]


def _alarms(facts: dict[str, Any], screen: Screen) -> Sequence[str]:
    alarms = facts["alarms"]
    return alarms_page({"rows": alarms, "open": len(alarms), "as_of": facts["as_of"]}, screen).lines()


def _partitions(facts: dict[str, Any]) -> Iterator[Sequence[object]]:
    for row in facts["partitions"]:
        fresh, oldest = row["freshness_seconds"], row["bronze_oldest_seconds"]
        yield (
            Cell(f"{row['topic']}-{row['partition']}", "bad" if row["incomplete_because"] else ""),
            row["worker"] or MISSING,
            _count(row["lag_records"]),
            MISSING if fresh is None else age(fresh),
            _count(row["bronze_lag_records"]),
            MISSING if oldest is None else age(oldest),
        )


def _count(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}"


def _bad(rows: list[dict[str, Any]], screen: Screen) -> Sequence[str]:
    if not rows:
        return ["none"]
    return table(BAD, [(row["reason"], f"{row['quarantined']:,}") for row in rows], screen).lines()


def _doctor(findings: list[dict[str, str]], screen: Screen) -> Sequence[str]:
    if not findings:
        return ["nothing to say"]
    lines: list[str] = []
    for finding in findings:
        lines += prose(f"{finding['what']}: {finding['found']}", screen, MARKS[finding["state"]])
        if finding["mend"]:
            lines += prose(finding["mend"], screen, first="  → ", indent=4)
    return lines
