"""The latest states of entities, and measures of them, as SQL (DuckDB)."""

from __future__ import annotations

from streams.view_sql.members import compared, literal, member_of, texts
from tables.spec.entity_measures import Count, EntityMeasure, Oldest, Total
from tables.spec.tracked import Deadline, Selection, Tracked


def latest(tracks: Tracked) -> str:
    """`latest`: the newest event of each entity, and the state that it led to."""
    ids = ", ".join(entity_ids(tracks))
    return (
        f"latest AS (\n    SELECT *, {state_sql(tracks)} AS state\n"
        f"    FROM events WHERE event IN ({texts(tracks.by_event)})\n"
        f"    QUALIFY row_number() OVER (PARTITION BY {ids}\n"
        f"        ORDER BY happened DESC, {rank_sql(tracks)} DESC, event_id DESC) = 1\n)"
    )


def entity_ids(tracks: Tracked) -> list[str]:
    """What names an entity, as texts."""
    return [f"payload->>'{name}'" for name in tracks.id_fields]


def state_sql(tracks: Tracked) -> str:
    """The state that an event leads to."""
    states = " ".join(f"WHEN {literal(stage.event)} THEN {literal(stage.state)}" for stage in tracks.stages)
    return f"CASE event {states} END"


def rank_sql(tracks: Tracked) -> str:
    """An event's rank among those of the same time."""
    ranks = " ".join(f"WHEN {literal(stage.event)} THEN {stage.rank}" for stage in tracks.stages)
    return f"CASE event {ranks} END"


def entity_measure(measure: EntityMeasure, tracks: Tracked) -> str:
    """A measure over the entities of its selection."""
    chosen = f"FILTER (WHERE {selection_sql(tracks.by_selection[measure.of], tracks)})"
    if isinstance(measure, Count):
        return f"count(*) {chosen}"
    if isinstance(measure, Total):
        total = f"sum({total_sql(measure, tracks)}) {chosen}"
        return total if measure.null_if_none else f"coalesce({total}, 0)"
    assert isinstance(measure, Oldest)
    return f"(epoch_us($as_of::TIMESTAMPTZ) - min(epoch_us(happened)) {chosen}) / 1e6"


def total_sql(measure: Total, tracks: Tracked) -> str:
    """What an entity of its selection adds to a total."""
    return f"({member_of(_events(tracks.by_selection[measure.of], tracks), measure.field)})::BIGINT"


def selection_sql(selection: Selection, tracks: Tracked) -> str:
    """What holds for the entities of a selection."""
    events = _events(selection, tracks)
    where = [compared(member_of(events, name), value) for name, value in selection.where]
    return " AND ".join(
        [f"state IN ({texts(selection.states)})", *where, *_within(selection.deadline, events)]
    )


def _events(selection: Selection, tracks: Tracked) -> list[str]:
    """Those that lead to the states of a selection."""
    return [stage.event for stage in tracks.stages if stage.state in selection.states]


def _within(deadline: Deadline | None, events: list[str]) -> list[str]:
    if deadline is None:
        return []
    due = f"upper({member_of(events, deadline.field)})::TIMESTAMPTZ"
    limits = ((">=", deadline.since_seconds), ("<", deadline.until_seconds))
    return [f"{due} {sign} {_as_of(seconds)}" for sign, seconds in limits if seconds is not None]


def _as_of(seconds: int) -> str:
    return "$as_of::TIMESTAMPTZ" + (f" + INTERVAL {seconds} SECOND" if seconds else "")
