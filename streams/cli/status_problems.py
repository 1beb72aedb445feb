"""What is not all right, and what is to be known besides, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from streams.cli.formats import age, instant
from streams.cli.gates import name_of
from streams.plain_text import plain

LOST = "lost/"
"""How the id of an alarm of lost records begins: it stays open for ever, as what is lost stays lost."""
LOST_NEWS_SECONDS = 86_400


def problems_of(facts: dict[str, Any], bronze_limit_seconds: float) -> list[str]:
    """Of all that `sluice status` knows; empty if all is right. `bronze_limit_seconds`: how old the oldest
    record may be that Bronze lacks."""
    return [plain(problem) for problem in _problems(facts, bronze_limit_seconds)]


def notes_of(facts: dict[str, Any]) -> list[str]:
    """What is worth knowing, and nothing to be done about now."""
    return [
        plain(f"alarm {alarm['code']} of {instant(alarm['raised_at'])} UTC: {alarm['detail']}")
        for alarm in facts["alarms"] or ()
        if _is_old_loss(alarm, facts)
    ]


def _problems(facts: dict[str, Any], bronze_limit_seconds: float) -> Iterator[str]:
    if facts["waiting_for"] is not None:
        yield f"the api is not ready: {facts['waiting_for']}"
    for gate in facts["gates"] or ():
        if not gate["open"]:
            why = gate.get("reason") or "it does not say why"
            yield f"gate {name_of(gate)} is closed ({gate['state']}): {why}"
    yield from _alarms(facts)
    yield from _incomplete(facts["views"])
    if "bronze" not in facts["without"]:
        yield from _bronze(facts, bronze_limit_seconds)
    for finding in facts["doctor"] or ():
        if finding["state"] == "wrong" and finding["what"] != "gates":
            yield f"{finding['what']}: {finding['found']}"


def _alarms(facts: dict[str, Any]) -> Iterator[str]:
    if facts["alarms_unknown_because"] is not None:
        yield f"newer alarms may be missing: {facts['alarms_unknown_because']}"
    alarms = facts["alarms"] or ()
    for alarm in alarms:
        if "/" not in alarm["subject"] and not _is_old_loss(alarm, facts):  # gates have been told
            yield f"alarm {alarm['code']} is open: {alarm['detail']}"
    more = (facts["alarms_open"] or 0) - len(alarms)
    if more > 0:
        yield f"{more:,} more alarms are open: `sluice alarms --open`"


def _is_old_loss(alarm: dict[str, Any], facts: dict[str, Any]) -> bool:
    return alarm["alarm_id"].startswith(LOST) and _age(alarm, facts) > LOST_NEWS_SECONDS


def _age(alarm: dict[str, Any], facts: dict[str, Any]) -> float:
    as_of, raised_at = (datetime.fromisoformat(text) for text in (facts["as_of"], alarm["raised_at"]))
    return (as_of - raised_at).total_seconds()


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
