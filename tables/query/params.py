"""Query parameters of views and entities: parsed and checked, each error naming its parameter
(docs/contract.md §6).

A filter is a dimension's name, repeatable, with a value or a comma list of them; the empty value means null
(`city=`), which no slug, code or id can be.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import msgspec

from schemas.times import FIRST_US, LAST_US, SECOND_US, micros
from tables.query.declarations import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Parameter,
    entity_parameters,
    view_parameters,
)
from tables.query.steps import Steps, find_zone
from tables.query.values import (
    EmptyElementError,
    did_you_mean,
    moment_warning,
    parse_moment,
    split_list,
)
from tables.read.status import AsOf
from tables.spec.experiment import Experiment
from tables.spec.view import Entity, View
from tables.spec.windowed import Windowed
from tables.times import HOUR_US, MINUTE_US

UNIT_US = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": 24 * HOUR_US}
DEFAULT_WINDOW_US = 24 * HOUR_US
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NAMED_TIMES: dict[str, AsOf] = {"now": "now", "watermark": "watermark"}

Params = Sequence[tuple[str, str]]
Filters = dict[str, frozenset[str | None]]


class ParameterError(ValueError):
    """A query parameter is wrong: `parameter` names it, the text says what is allowed."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter


@dataclass(frozen=True)
class ViewQuery:
    """What is asked of a view. Times in µs UTC since the epoch.

    `window_us`: length of the window that ends at `as_of`; None if `from_us` is given. `to_us` None: up to
    `as_of`. The window is for sums: an entity's state is the latest, whatever the window.
    `group_by`: dimensions, in the view's order. `steps` None: one row a group.
    """

    as_of: AsOf
    window_us: int | None
    from_us: int | None
    to_us: int | None
    steps: Steps | None
    filters: Filters
    group_by: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """About values that were understood, and are probably a mistake."""


@dataclass(frozen=True)
class Cursor:
    """Where a page of entities ended: the time and id of its last one, and the `as_of` of all pages.

    It tells nothing that the page has not shown, and whoever brings it sees, from there on, what is theirs.
    """

    as_of_us: int
    occurred_us: int
    entity_id: str


@dataclass(frozen=True)
class EntityQuery:
    """What is asked of a view's entities. `state`: one of the view's `by_state`, None for all."""

    as_of: AsOf
    state: str | None
    filters: Filters
    limit: int
    cursor: Cursor | None
    warnings: tuple[str, ...] = ()


def parse_view_query(view: View, params: Params) -> ViewQuery:
    """Parameters of /v1/views/{name}. Raises `ParameterError`."""
    one = _singles(view, params, view_parameters(view))
    zone = _zone(one)
    query = ViewQuery(
        as_of=_as_of(one),
        window_us=_duration_us("window", one["window"]) if "window" in one else None,
        from_us=_bound("from", one["from"], zone) if "from" in one else None,
        to_us=_bound("to", one["to"], zone) if "to" in one else None,
        steps=Steps(_step_minutes(one), zone) if "step" in one else None,
        filters=_filters(view, params),
        group_by=_group_by(view, one),
        warnings=_time_warnings(one),
    )
    _check_window(query)
    if query.window_us is None and query.from_us is None:
        return replace(query, window_us=DEFAULT_WINDOW_US)
    return query


def parse_entity_query(view: View, params: Params) -> EntityQuery:
    """Parameters of /v1/views/{name}/entities. Raises `ParameterError`."""
    assert view.tracks is not None
    one = _singles(view, params, entity_parameters(view))
    state = one.get("state")
    if state is not None and state not in view.tracks.by_state:
        hint = did_you_mean(state, view.tracks.by_state)
        raise ParameterError("state", f"must be one of {', '.join(view.tracks.by_state)}{hint}")
    cursor = _cursor(view, one["cursor"]) if "cursor" in one else None
    filters, warnings = _filters(view, params), _time_warnings(one)
    return EntityQuery(_as_of(one), state, filters, parse_limit(one), cursor, warnings)


def _singles(view: View, params: Params, declared: Sequence[Parameter]) -> dict[str, str]:
    """Parameters that come once; all that are not declared are refused."""
    found: dict[str, str] = {}
    for name, value in params:
        stepped = not isinstance(view, Windowed) and name in ("step", "tz")
        of = "entities" if isinstance(view, Entity) else "experiments"
        no_steps = f"; {view.name} shows the latest state of {of}, which has no steps"
        check_known(name, declared, no_steps if stepped else "")
        if name in found:
            raise ParameterError(name, "must be given once")
        if name not in view.dimensions:
            found[name] = value
    return found


def parse_limit(one: Mapping[str, str]) -> int:
    """How many are asked for. Raises `ParameterError`."""
    text = one.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise ParameterError("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def check_known(name: str, declared: Sequence[Parameter], hint: str = "") -> None:
    """Raises `ParameterError` for a name that is not declared; `hint`: what else to say of it."""
    known = [parameter.name for parameter in declared]
    if name not in known:
        there = f"{', '.join(known) or 'none'}{hint or did_you_mean(name, known)}"
        raise ParameterError(name, f"is no parameter here; there are {there}")


def _filters(view: View, params: Params) -> Filters:
    wanted: dict[str, set[str | None]] = {}
    for name, value in params:
        if name in view.dimensions:
            wanted.setdefault(name, set()).update(filter_values(name, value))
    return {name: frozenset(values) for name, values in wanted.items()}


def filter_values(parameter: str, text: str) -> list[str | None]:
    """The values that a filter names: one, several with commas, or, where it is empty, null.

    Raises `ParameterError` for an empty element of a list: null is asked for by a parameter of its own.
    """
    if not text:
        return [None]
    try:
        return list(split_list(text))
    except EmptyElementError as error:
        raise ParameterError(parameter, f"{error}; null is asked for by {parameter}= alone") from None


def parse_time(parameter: str, text: str) -> int:
    """An RFC 3339 time, or one in milliseconds since 1970, in µs. Raises `ParameterError`."""
    try:
        instant = parse_moment(text)
    except ValueError as error:
        hint = "; in a URL, '+' is written %2B" if re.search(r" [0-9]{2}:[0-9]{2}$", text) else ""
        raise ParameterError(parameter, f"{error}{hint}") from None
    return micros(instant)


def _time_warnings(one: dict[str, str]) -> tuple[str, ...]:
    found = (moment_warning(name, one[name]) for name in ("from", "to", "as_of") if name in one)
    return tuple([warning for warning in found if warning is not None])


def _as_of(one: dict[str, str]) -> AsOf:
    text = one.get("as_of", "now")
    return _NAMED_TIMES[text] if text in _NAMED_TIMES else parse_time("as_of", text)


def _duration_us(parameter: str, text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if not match or not int(match[1]):
        raise ParameterError(parameter, "must be a number of s, m, h or d, such as 15m")
    return int(match[1]) * UNIT_US[match[2]]


def _check_window(query: ViewQuery) -> None:
    """Whether what is given of the window goes together; each value has been read."""
    if query.window_us is not None:
        for name, value in (("from", query.from_us), ("to", query.to_us)):
            if value is not None:
                raise ParameterError(name, "can't be given with window: it is one or the other")
    if query.to_us is not None:
        if query.from_us is None:
            raise ParameterError("from", "must be given with to")
        if query.to_us <= query.from_us:
            raise ParameterError("to", "must be after from")


def _zone(one: dict[str, str]) -> ZoneInfo | None:
    try:
        return find_zone(one["tz"]) if "tz" in one else None
    except ValueError as error:
        raise ParameterError("tz", str(error)) from None


def _bound(parameter: str, text: str, zone: ZoneInfo | None) -> int:
    """An end of a window in µs: a time, or, in a zone, a date, which stands for its midnight there."""
    if zone is None or not _DATE.fullmatch(text):
        return parse_time(parameter, text)
    try:
        midnight = datetime.combine(date.fromisoformat(text), time(), zone)
        return micros(midnight.astimezone(UTC))
    except (ValueError, OverflowError):
        raise ParameterError(parameter, "is no date that there is") from None


def _step_minutes(one: dict[str, str]) -> int:
    step_us = _duration_us("step", one["step"])
    if step_us % MINUTE_US:
        raise ParameterError("step", "must be whole minutes: views are kept by the minute")
    return step_us // MINUTE_US


def _group_by(view: View, one: dict[str, str]) -> tuple[str, ...]:
    if "group_by" not in one:
        return view.dimensions
    names = [name.strip(" ") for name in one["group_by"].split(",")] if one["group_by"] else []
    for name in names:
        if name not in view.dimensions:
            hint = did_you_mean(name, view.dimensions)
            raise ParameterError(
                "group_by", f"{name!r} is no dimension; there are {', '.join(view.dimensions)}{hint}"
            )
    if len(set(names)) != len(names):
        raise ParameterError("group_by", "names a dimension twice")
    if isinstance(view, Experiment) and len(names) < len(view.dimensions):
        raise ParameterError("group_by", f"must hold {' and '.join(view.dimensions)}: variants are compared")
    if view.has_money and "currency" in view.dimensions and "currency" not in names:
        raise ParameterError(
            "group_by", "must hold currency: amounts of different currencies are never added"
        )
    return tuple(name for name in view.dimensions if name in names)


def encode_cursor(view: View, cursor: Cursor) -> str:
    """Opaque text for the next page's `cursor`."""
    members = (view.name, cursor.as_of_us, cursor.occurred_us, cursor.entity_id)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(members)).decode().rstrip("=")


def _cursor(view: View, text: str) -> Cursor:
    wrong = ParameterError("cursor", "must be the cursor of the page before, as it was")
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        name, as_of_us, occurred_us, entity_id = msgspec.msgpack.decode(
            packed, type=tuple[str, int, int, str]
        )
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise wrong from None
    if name != view.name:
        raise ParameterError("cursor", "is of another view")
    if not FIRST_US <= as_of_us <= LAST_US or not FIRST_US <= occurred_us <= LAST_US:
        raise wrong
    return Cursor(as_of_us, occurred_us, entity_id)
