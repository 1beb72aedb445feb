"""The latest states of entities, and measures of them, as SQL (DuckDB)."""

# What is put together here is shown to people, and made of declarations alone.
# ruff: noqa: S608

from __future__ import annotations

from tables.spec.entity_measures import Count, EntityMeasure, Oldest, Total
from tables.spec.fields import Where
from tables.spec.tracked import Deadline, Selection, Tracked


def latest(tracks: Tracked) -> str:
    """`latest`: the newest event of each entity, and the state that it led to."""
    states = " ".join(f"WHEN '{stage.event}' THEN '{stage.state}'" for stage in tracks.stages)
    ranks = " ".join(f"WHEN '{stage.event}' THEN {stage.rank}" for stage in tracks.stages)
    names = ", ".join(f"'{stage.event}'" for stage in tracks.stages)
    ids = ", ".join(map(_member, tracks.id_fields))
    return (
        f"latest AS (\n    SELECT *, CASE event {states} END AS state\n"
        f"    FROM events WHERE event IN ({names})\n"
        f"    QUALIFY row_number() OVER (PARTITION BY {ids}\n"
        f"        ORDER BY happened DESC, CASE event {ranks} END DESC, event_id DESC) = 1\n)"
    )


def entity_measure(measure: EntityMeasure, tracks: Tracked) -> str:
    """A measure over the entities of its selection."""
    chosen = f"FILTER (WHERE {selection_sql(tracks.by_selection[measure.of])})"
    if isinstance(measure, Count):
        return f"count(*) {chosen}"
    if isinstance(measure, Total):
        total = f"sum(({_member(measure.field)})::BIGINT) {chosen}"
        return total if measure.null_if_none else f"coalesce({total}, 0)"
    assert isinstance(measure, Oldest)
    return f"(epoch_us($as_of::TIMESTAMPTZ) - min(epoch_us(happened)) {chosen}) / 1e6"


def selection_sql(selection: Selection) -> str:
    """What holds for the entities of a selection."""
    states = ", ".join(f"'{state}'" for state in selection.states)
    return " AND ".join([f"state IN ({states})", *_conditions(selection.where), *_within(selection.deadline)])


def _conditions(where: Where) -> list[str]:
    made = []
    for name, value in where:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        written = "'" + text.replace("'", "''") + "'"
        made.append(f"{_member(name)} IS NULL" if value is None else f"{_member(name)} = {written}")
    return made


def _within(deadline: Deadline | None) -> list[str]:
    if deadline is None:
        return []
    due = f"upper({_member(deadline.field)})::TIMESTAMPTZ"
    limits = ((">=", deadline.since_seconds), ("<", deadline.until_seconds))
    return [f"{due} {sign} {_as_of(seconds)}" for sign, seconds in limits if seconds is not None]


def _as_of(seconds: int) -> str:
    return "$as_of::TIMESTAMPTZ" + (f" + INTERVAL {seconds} SECOND" if seconds else "")


def _member(name: str) -> str:
    return f"payload->>'{name}'"
