"""What `sluice status` shows, as one page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from streams.cli.alarms import alarms_page
from streams.cli.formats import MISSING, age, instant
from streams.cli.gates import PASSING as PASSING_OF_GATES
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
MOST_ALARMS = 20
MARKS = {"wrong": "bad", "note": "note"}
BRONZE = ("Bronze lag", "oldest")
"""The columns that are Bronze's."""
PASSING = {
    "partitions": (
        "heard_seconds", "watermark", "checkpoint_offset", "lag_records", "freshness_seconds",
        "bronze_offset", "bronze_lag_records", "bronze_oldest_seconds",
    ),
    "views": ("freshness_seconds",),
    "gates": PASSING_OF_GATES,
}  # fmt: skip
"""What becomes another one by itself, of the rows of each."""


def what_counts(facts: dict[str, Any]) -> object:
    """What makes them others: not what grows by itself, in problems' sentences either."""
    rows = {name: _without(facts.get(name), passing) for name, passing in PASSING.items()}
    whole = ("waiting_for", "alarms", "alarms_open", "quarantined", "doctor", "doctor_looking", "notes")
    reasons = [facts.get(f"{name}_unknown_because") for name in ("alarms", "bronze", "quarantined")]
    return len(facts["problems"]), rows, [facts.get(name) for name in whole], reasons


def _without(rows: list[dict[str, Any]] | None, passing: Sequence[str]) -> object:
    if rows is None:
        return None
    return [{name: value for name, value in row.items() if name not in passing} for row in rows]


def status_page(facts: dict[str, Any], screen: Screen) -> Page:
    """What is wrong first, then what it rests on."""
    above = [_verdict(facts, screen)]
    if "as_of" in facts:
        above += prose(f"as of {instant(facts['as_of'])} UTC · {facts['api']}", screen, "aside")
    said = [*((one, "bad") for one in facts["problems"]), *((one, "note") for one in facts["notes"])]
    rows = [prose(sentence, screen, style, first="  - ", indent=4) for sentence, style in said]
    for title, lines in _sections(facts, screen):
        rows += [["", screen.styled(title, "heading")], *([line] for line in lines)]
    return Page(above, rows)


def _verdict(facts: dict[str, Any], screen: Screen) -> str:
    count = len(facts["problems"])
    if count:
        return screen.styled(f"NOT ALL RIGHT: {count:,} problem{'s' * (count > 1)}", "alarm")
    if facts["doctor_looking"]:
        return screen.styled("nothing wrong so far: the doctor is looking", "note")
    return screen.styled("all right", "good")


def _sections(facts: dict[str, Any], screen: Screen) -> Iterator[tuple[str, Sequence[str]]]:
    if "partitions" in facts:
        yield "views", _views(facts["views"], screen)
        if "gates" not in facts["without"]:
            yield "gates", _gates(facts, screen)
        yield "alarms", _alarms(facts, screen)
        yield "partitions", _partitions(facts, screen)
        yield "quarantined in the last hour", _bad(facts, screen)
    if facts["doctor_looking"]:
        yield "doctor", ["looking"]
    elif facts["doctor"] is not None:
        yield "doctor", _doctor(facts["doctor"], screen)


def _not_known(why: str | None, screen: Screen) -> Sequence[str]:
    return prose(f"not known: {why or 'the api is not ready'}", screen, "note")


def _views(views: list[dict[str, Any]], screen: Screen) -> Sequence[str]:
    complete = sum(view["complete"] for view in views)
    ages = [view["freshness_seconds"] for view in views]
    fresh = ", how fresh is not known" if None in ages else f", fresh to {age(max(ages))}" if ages else ""
    return prose(f"{complete:,} of {len(views):,} complete{fresh}", screen)


def _gates(facts: dict[str, Any], screen: Screen) -> Sequence[str]:
    """Those that are not ok, and how many are."""
    gates = facts["gates"]
    if gates is None:
        return _not_known(None, screen)
    others = [gate for gate in gates if gate["state"] != "ok"]
    if not others:
        return [f"{len(gates):,} ok"]
    return [*gates_page({"rows": others}, screen).lines(), f"{len(gates) - len(others):,} others ok"]


def _alarms(facts: dict[str, Any], screen: Screen) -> Sequence[str]:
    alarms = facts["alarms"]
    if alarms is None:
        return _not_known(None, screen)
    shown = alarms[:MOST_ALARMS]
    answer = {
        "rows": shown,
        "open": facts["alarms_open"],
        "total": facts["alarms_open"],
        "unknown_because": facts["alarms_unknown_because"],
        "as_of": facts["as_of"],
    }
    return alarms_page(answer, screen, "`sluice alarms --open` has them").lines()


def _partitions(facts: dict[str, Any], screen: Screen) -> Sequence[str]:
    left_out = BRONZE if "bronze" in facts["without"] else ()
    places = [place for place, column in enumerate(PARTITIONS) if column.heading not in left_out]
    rows = [[cells[place] for place in places] for cells in map(_cells, facts["partitions"])]
    least = [heading for heading in LEAST_NEEDED if heading not in left_out]
    return table([PARTITIONS[place] for place in places], rows, screen, least).lines()


def _cells(row: dict[str, Any]) -> Sequence[object]:
    fresh, oldest = row["freshness_seconds"], row["bronze_oldest_seconds"]
    return (
        Cell(f"{row['topic']}-{row['partition']}", "bad" if row["incomplete_because"] else ""),
        row["worker"] or MISSING,
        _count(row["lag_records"]),
        MISSING if fresh is None else age(fresh),
        _count(row["bronze_lag_records"]),
        MISSING if oldest is None else age(oldest),
    )


def _count(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}"


def _bad(facts: dict[str, Any], screen: Screen) -> Sequence[str]:
    rows = facts["quarantined"]
    if rows is None:
        return _not_known(facts["quarantined_unknown_because"], screen)
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
        if finding["runbook"]:
            lines += prose(finding["runbook"], screen, "aside", indent=4)
    return lines
