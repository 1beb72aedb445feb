"""What is not all right, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams.cli.formats import age
from streams.cli.gates import GATE, name_of
from streams.plain_text import plain


def problems_of(facts: dict[str, Any], bronze_limit_seconds: float) -> list[str]:
    """Of all that `sluice status` shows; empty if all is right. `bronze_limit_seconds`: how old the oldest
    record may be that Bronze lacks."""
    return [plain(problem) for problem in _problems(facts, bronze_limit_seconds)]


def _problems(facts: dict[str, Any], bronze_limit_seconds: float) -> Iterator[str]:
    if facts["waiting_for"] is not None:
        yield f"the api is not ready: {facts['waiting_for']}"
    for gate in facts["gates"]:
        if not gate["open"]:
            why = gate.get("reason") or "it does not say why"
            yield f"gate {name_of(gate)} is closed ({gate['state']}): {why}"
    for alarm in facts["alarms"]:
        if not alarm["subject"].startswith(GATE):  # the gates have been told
            yield f"alarm {alarm['code']} is open: {alarm['detail']}"
    yield from _incomplete(facts["views"])
    yield from _bronze(facts, bronze_limit_seconds)
    for finding in facts["doctor"] or ():
        if finding["state"] == "wrong" and finding["what"] != "gates":
            yield f"{finding['what']}: {finding['found']}"


def _incomplete(views: list[dict[str, Any]]) -> Iterator[str]:
    """Each reason once, with how many views it holds back."""
    held: dict[str, list[str]] = {}
    for view in views:
        for why in view["incomplete_because"]:
            held.setdefault(why, []).append(view["view"])
    for why, names in held.items():
        which = names[0] if len(names) == 1 else f"{len(names)} views"
        yield f"{which} incomplete: {why}"


def _bronze(facts: dict[str, Any], limit_seconds: float) -> Iterator[str]:
    if facts["bronze_unknown_because"] is not None:
        yield f"how far Bronze is is not known: {facts['bronze_unknown_because']}"
    late = [
        (row["bronze_oldest_seconds"], f"{row['topic']}-{row['partition']}")
        for row in facts["partitions"]
        if row["bronze_oldest_seconds"] is not None and row["bronze_oldest_seconds"] > limit_seconds
    ]
    if late:
        seconds, where = max(late)
        yield f"Bronze lacks records of {len(late):,} partitions, the oldest {age(seconds)} old ({where})"
