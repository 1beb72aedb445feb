"""How two lists of a view's rows differ: what the api has answered, and what was computed anew."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from streams.verify.answer import Row
from tables.spec.measures import Measure
from tables.spec.view import View
from tables.spec.windowed import DistinctCount, Quantile

ROUNDING = 1e-9
"""Ratios and ages are rounded in another order; numbers below 1 are compared as parts of it."""
QUANTILE_ERROR = 0.01
MOST_EXACT, DISTINCT_ERROR = 256, 0.08
"""Different values are counted exactly up to so many; above, five standard errors are allowed."""


ROWS = "rows"
"""What is compared besides the measures: how many rows there are of the same dimensions."""


class Difference(NamedTuple):
    """A measure of a row that is not alike. `row`: its dimensions; None is null, or that there is no row."""

    row: dict[str, Any]
    measure: str
    live: Any
    computed: Any


Unlike = list[tuple[str, Any, Any]]


def differences(
    view: View, group_by: Sequence[str], live: Iterable[Row], computed: Iterable[Row]
) -> list[Difference]:
    """All of them, by row. A row of nothing but zeros and nulls is the same as none; one that is there
    again is a difference, whatever it says."""
    live = list(live)
    shown, found = _by_key(group_by, live), _by_key(group_by, computed)
    counts = Counter(_key(group_by, row) for row in live)
    return [
        Difference(dict(zip(group_by, key, strict=True)), *unlike)
        for key in sorted(shown.keys() | found.keys(), key=_order)
        for unlike in (*_repeated(counts[key]), *_unlike(view.measures, shown.get(key), found.get(key)))
    ]


def _repeated(count: int) -> Unlike:
    return [(ROWS, count, 1)] if count > 1 else []


def _unlike(measures: Sequence[Measure], live: Row | None, computed: Row | None) -> Unlike:
    pairs = [(one, (live or {}).get(one.name), (computed or {}).get(one.name)) for one in measures]
    if live is None or computed is None:
        return [(one.name, shown, found) for one, shown, found in pairs if shown or found]
    return [(one.name, shown, found) for one, shown, found in pairs if not is_same(one, shown, found)]


def is_same(measure: Measure, live: Any, computed: Any) -> bool:
    """Whether a number is the computed one, as far as it claims to be exact."""
    live, computed = _finite(live), _finite(computed)
    if live is None or computed is None:
        return live is computed
    if isinstance(measure, Quantile):
        return bool(abs(live - computed) <= QUANTILE_ERROR * abs(computed))
    if isinstance(measure, DistinctCount) and computed > MOST_EXACT:
        return bool(abs(live - computed) <= DISTINCT_ERROR * computed)
    if isinstance(live, float) or isinstance(computed, float):
        return bool(abs(live - computed) <= ROUNDING * max(1.0, abs(computed)))
    return bool(live == computed)


def _finite(number: Any) -> Any:
    return None if isinstance(number, float) and not math.isfinite(number) else number


def _by_key(group_by: Sequence[str], rows: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    return {_key(group_by, row): row for row in rows}


def _key(group_by: Sequence[str], row: Row) -> tuple[Any, ...]:
    return tuple([row[name] for name in group_by])


def _order(key: tuple[Any, ...]) -> tuple[tuple[bool, str], ...]:
    return tuple([(value is not None, value or "") for value in key])
