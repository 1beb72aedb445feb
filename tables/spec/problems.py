"""What contradicts itself in a view's declaration; asked by the tests, of every view."""

from __future__ import annotations

from tables.spec.views import (
    CITY,
    Absolute,
    Difference,
    Entity,
    EntityMeasure,
    Kind,
    Measure,
    Ratio,
    Total,
    Tracked,
    View,
)


def problems(view: View) -> list[str]:
    """What contradicts itself in a declaration, one sentence each; none if it can be computed."""
    found = []
    earlier: set[str] = set()
    selections = view.tracks.by_selection if view.tracks else {}
    kept = view.tracks.kept_names if view.tracks else ()
    for measure in view.measures:
        if measure.name in earlier or measure.name in view.dimensions:
            found.append(f"{view.name}: {measure.name} is there twice")
        missing = [name for name in _inputs(measure) if name not in earlier]
        found += [
            f"{view.name}.{measure.name}: needs {name}, which is no earlier measure" for name in missing
        ]
        if isinstance(measure, EntityMeasure) and measure.of not in selections:
            found.append(f"{view.name}.{measure.name}: {measure.of} is no selection")
        if isinstance(measure, Total) and measure.field not in kept:
            found.append(f"{view.name}.{measure.name}: {measure.field} is not kept")
        earlier.add(measure.name)
    if isinstance(view, Entity):
        stored = {CITY, *kept}
        found += [f"{view.name}: dimension {d} is not kept" for d in view.dimensions if d not in stored]
    return found + (_tracked_problems(view.name, view.tracks) if view.tracks else [])


def _inputs(measure: Measure) -> tuple[str, ...]:
    match measure:
        case Difference(plus=plus, minus=minus):
            return plus + minus
        case Absolute(of=of):
            return (of,)
        case Ratio(over=over, under=under):
            return over + under
        case _:
            return ()


def _tracked_problems(view: str, tracks: Tracked) -> list[str]:
    found = []
    states = {stage.state for stage in tracks.stages}
    if len(tracks.by_rank) != len(tracks.stages) or len(tracks.by_event) != len(tracks.stages):
        found.append(f"{view}: two stages share an event or a rank")
    if not any(stage.opens for stage in tracks.stages):
        found.append(f"{view}: no stage opens an entity")
    times = {kept.field for kept in tracks.keep if kept.kind is Kind.TIME}
    for selection in tracks.selections:
        if not set(selection.states) <= states:
            found.append(f"{view}: selection {selection.name} names a state that no stage leads to")
        if selection.deadline and selection.deadline.field not in times:
            found.append(f"{view}: selection {selection.name} has a deadline on what is no kept time")
        alone = selection.states == (selection.name,) and not selection.deadline and not selection.where
        if selection.name in states and not alone:
            found.append(f"{view}: selection {selection.name} is not the state of that name")
        if any(field not in tracks.kept_names for field, _ in selection.where):
            found.append(f"{view}: selection {selection.name} compares a field that is not kept")
    return found
