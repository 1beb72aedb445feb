"""Whether declarations can be computed: asked when `VIEWS` is built, so that nothing starts with a wrong
one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tables.spec.declaration_error import DeclarationError
from tables.spec.fields import CITY, EventTypes
from tables.spec.measures import Known
from tables.spec.view import View


def checked(views: Iterable[View], events: EventTypes) -> dict[str, View]:
    """The views by name. Raises `DeclarationError` for the first one that is wrong."""
    found: dict[str, View] = {}
    for view in views:
        for problem in problems(view, events):
            raise DeclarationError(problem)
        if view.name in found:
            raise DeclarationError(f"view {view.name}: there are two of that name: rename one")
        found[view.name] = view
    return found


def problems(view: View, events: EventTypes) -> list[str]:
    """What is wrong with a declaration, and what to do, one line each; none if it can be computed."""
    return [f"view {view.name}{where}: {what}" for where, what in _problems(view, events)]


def _problems(view: View, events: EventTypes) -> Iterator[tuple[str, str]]:
    tracks = view.tracks
    selections, kept = (tuple(tracks.by_selection), tracks.kept_names) if tracks else ((), ())
    before: set[str] = set()
    for measure in view.measures:
        where = f", measure {measure.name}"
        if measure.name in before or measure.name in view.dimensions:
            yield where, "is there twice: rename one"
        known = Known(frozenset(before), selections, kept, view.key, events)
        yield from ((where, what) for what in measure.problems(known))
        before.add(measure.name)
    if tracks is None:
        return
    unkept = [name for name in view.dimensions if name not in {CITY, *kept}]
    yield from (("", f"dimension {name} is not kept: add it to `keep`") for name in unkept)
    yield from (("", what) for what in tracks.problems(events))
