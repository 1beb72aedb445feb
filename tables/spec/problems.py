"""Whether declarations can be computed: asked when `VIEWS` is built, so that nothing starts with a wrong
one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from keyword import iskeyword

from schemas.extensions import Extension, ExtensionError
from tables.spec.declaration_error import DeclarationError
from tables.spec.fields import CITY, EventTypes
from tables.spec.measures import Known
from tables.spec.tiles import tile_problems
from tables.spec.view import View

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
TAKEN = frozenset(
    (
        "as_of",
        "complete",
        "cursor",
        "format",
        "from",
        "group_by",
        "limit",
        "occurred_at",
        "state",
        "step",
        "t",
        "to",
        "tz",
        "window",
    )
)
"""Parameters of every query and members of every row: what no dimension, measure or kept field is called."""


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


def with_extensions(
    own: Mapping[str, View], extensions: Iterable[Extension], events: EventTypes
) -> dict[str, View]:
    """All views by name. Raises `ExtensionError` for the first one of an extension that cannot be used."""
    found, packages = dict(own), dict.fromkeys(own, "Sluice")
    for extension in extensions:
        for view in extension.views:
            for problem in _found(view, events):
                raise ExtensionError(f"{extension.package}: {problem}")
            if view.name in found:
                there = f"{packages[view.name]} declares a view of that name: rename yours"
                raise ExtensionError(f"{extension.package}: view {view.name}: {there}")
            found[view.name], packages[view.name] = view, extension.package
    return found


def _found(view: View, events: EventTypes) -> list[str]:
    """Its problems; what is not even of the declared types is one."""
    try:
        hash(view)
        return problems(view, events)
    except (TypeError, AttributeError) as error:
        mend = "take tuples, not lists; one of a single element ends with a comma"
        return [f"view {view.name}: it is not of the types that it is declared with ({error}): {mend}"]


def problems(view: View, events: EventTypes) -> list[str]:
    """What is wrong with a declaration, and what to do, one line each; none if it can be computed."""
    return [f"view {view.name}{where}: {what}" for where, what in _problems(view, events)]


def _problems(view: View, events: EventTypes) -> Iterator[tuple[str, str]]:
    yield from _name_problems(view)
    tracks = view.tracks
    selections, whole = (tuple(tracks.by_selection), tracks.whole_names) if tracks else ((), ())
    before: set[str] = set()
    for measure in view.measures:
        where = f", measure {measure.name}"
        if measure.name in before or measure.name in view.dimensions:
            yield where, "is there twice: rename one"
        known = Known(frozenset(before), selections, whole, view.key, events)
        yield from ((where, what) for what in measure.problems(known))
        before.add(measure.name)
    if tracks is not None:
        unkept = [name for name in view.dimensions if name not in {CITY, *tracks.kept_names}]
        yield from (("", f"dimension {name} is not kept: add it to `keep`") for name in unkept)
    yield from (("", what) for what in view.problems(events))
    yield from tile_problems(view)


def _name_problems(view: View) -> Iterator[tuple[str, str]]:
    """Names are in keys of the feed, in paths, in queries and in members of rows."""
    tracks = view.tracks
    kept = (*tracks.kept_names, *tracks.id_fields) if tracks else ()
    states = (*tracks.by_state, *(stage.state for stage in tracks.stages)) if tracks else ()
    named = [("", (view.name,)), ("dimension ", view.dimensions), ("kept field ", kept), ("state ", states)]
    named.append(("measure ", tuple(measure.name for measure in view.measures)))
    for what, names in named:
        for name in dict.fromkeys(names):
            if not _NAME.fullmatch(name) or iskeyword(name):
                yield "", f"{what}{name} is not of a-z, 0-9 and _, beginning with a letter: rename it"
            elif what in ("dimension ", "kept field ", "measure ") and name in TAKEN:
                yield "", f"{what}{name} is called like a part of every query or row: rename it"
    if len({*view.dimensions}) < len(view.dimensions):
        yield "", "a dimension is there twice: take one of them out"
