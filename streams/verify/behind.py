"""What each event adds to a view's rows, as SQL: the same terms and selections as the rows', event by event.

`behind` has a row for each event that counts, with the view's dimensions, what it adds to each measure that
is a sum, and as `_amount` the largest value that it adds. What is not of the view, but for the city, has a
name that no dimension and no measure can have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from streams.verify.answer import CURRENCY, Filters
from streams.verify.experiments import EXPOSED_AND_ACTS, said_of
from streams.verify.record_counts import IN_MINUTES, counts_all, outcome_sql
from streams.view_sql.entities import selection_sql, total_sql
from streams.view_sql.members import dimension, named, quoted
from streams.view_sql.query import added, counts, in_window
from tables.spec.entity_measures import Count, EntityMeasure, Total
from tables.spec.experiment import Experiment
from tables.spec.fields import CITY
from tables.spec.records import Records
from tables.spec.tracked import Tracked
from tables.spec.view import View
from tables.spec.windowed import Sum, Windowed

PLACE = (
    'topic AS _topic, "partition" AS _partition, "offset" AS _offset, event_id AS _event_id, event AS _event,'
    " city, epoch_us(happened) AS _occurred_us, origin AS _origin"
)
EXPERIMENT_SUMS = ("users", "y_sum")


def added_measures(view: View) -> tuple[str, ...]:
    """Those of its measures that are sums of what events add."""
    if isinstance(view, Experiment):
        return EXPERIMENT_SUMS
    return tuple(measure.name for measure in view.measures if isinstance(measure, Sum | Count | Total))


def event_keys(view: View) -> tuple[str, ...]:
    """By what events are added up: amounts of different currencies never are."""
    return ("event", *(name for name in view.dimensions if name == CURRENCY))


def behind_sql(view: View, filters: Filters) -> str:
    """Makes `behind`."""
    if isinstance(view, Experiment):
        parts = [_of_experiment(view)]
    elif counts_all(view):
        assert isinstance(view, Windowed)
        parts = [_of_records(view)]
    else:
        parts = [_of_window(view)] if isinstance(view, Windowed) and view.kept else []
        parts += [_of_entities(view, view.tracks)] if view.tracks is not None else []
    found = " UNION ALL BY NAME ".join(parts)
    return f"CREATE TABLE behind AS SELECT * FROM ({found}) WHERE {filtered(filters)}"


def other_dimensions(view: View) -> list[str]:
    """The dimensions that an event's place does not have, of any event."""
    if counts_all(view):
        columns = {"source": "source", "event": "event", "reason": "NULL::VARCHAR AS reason"}
        return [text for name, text in columns.items() if name in view.dimensions]
    return [named(dimension(view, name), name) for name in view.dimensions if name != CITY]


def filtered(filters: Filters) -> str:
    """Whether the dimensions have the values that are asked for: parameters as `filter_values` makes them."""
    parts = []
    for name, values in filters.items():
        column = quoted(name)
        null = f" OR {column} IS NULL" if None in values else ""
        parts.append(f"({column} IN (SELECT unnest($only_{name})){null})")
    return " AND ".join(parts) or "true"


def filter_values(filters: Filters) -> dict[str, list[str]]:
    """Parameters."""
    return {f"only_{name}": sorted(filter(None, values)) for name, values in filters.items()}


def _of_window(view: Windowed) -> str:
    sums = [(total.name, added(total.terms)) for total in view.sums]
    valued = [total.name for total in view.sums if any(term.field for term in total.terms)]
    return _selected(view, sums, valued, f"events WHERE {in_window()} AND ({counts(view)})")


def _of_entities(view: View, tracks: Tracked) -> str:
    measures = [one for one in view.entity_measures if isinstance(one, Count | Total)]
    sums = [(one.name, _of_entity(one, tracks)) for one in measures]
    valued = [one.name for one in measures if isinstance(one, Total)]
    chosen = dict.fromkeys(selection_sql(tracks.by_selection[one.of], tracks) for one in measures)
    return _selected(view, sums, valued, f"latest WHERE {' OR '.join(map('({})'.format, chosen)) or 'false'}")


def _of_entity(measure: EntityMeasure, tracks: Tracked) -> str:
    value = total_sql(measure, tracks) if isinstance(measure, Total) else "1"
    return f"CASE WHEN {selection_sql(tracks.by_selection[measure.of], tracks)} THEN {value} ELSE 0 END"


def _of_records(view: Windowed) -> str:
    sums = [
        (total.name, f"CASE WHEN {outcome_sql(total)} THEN 1 ELSE 0 END")
        for total in view.sums
        if isinstance(total, Records)
    ]
    return _columns(
        [name for name in view.dimensions if name != CITY], sums, [], f"counted_records WHERE {IN_MINUTES}"
    )


def _of_experiment(view: Experiment) -> str:
    names = view.exposure.experiment, view.exposure.variant
    valued = any(term.field for term in view.metric.of)
    exposed, acted = (
        f"SELECT {_place_in(of)}, {named('experiment', names[0])}, {named('variant', names[1])}"
        for of in ("exposed", "acts")
    )
    return (
        f"{EXPOSED_AND_ACTS.format(**said_of(view))}"
        f" {exposed}, 1 AS users, 0 AS y_sum, NULL AS _amount FROM exposed UNION ALL"
        f" {acted}, 0 AS users, y AS y_sum, {'y' if valued else 'NULL'} AS _amount FROM exposed JOIN acts"
        ' ON acts.topic = exposed.topic AND acts."partition" = exposed."partition"'
        " AND acts.user_id = exposed.user_id AND acts.happened >= exposed.happened WHERE y <> 0"
    )


def _place_in(table: str) -> str:
    """`PLACE` of one of two tables."""
    columns = ("topic", "partition", "offset", "event_id", "event", "origin")
    renamed = ", ".join(f"{table}.{quoted(name)} AS _{name}" for name in columns)
    return f"{renamed}, {table}.city, epoch_us({table}.happened) AS _occurred_us"


def _selected(view: View, sums: Iterable[tuple[str, str]], valued: Sequence[str], source: str) -> str:
    return _columns(other_dimensions(view), sums, valued, source)


def _columns(
    others: Iterable[str], sums: Iterable[tuple[str, str]], valued: Sequence[str], source: str
) -> str:
    columns = [PLACE, *others, *(named(text, name) for name, text in sums)]
    amount = f"greatest({', '.join(map(quoted, valued))})" if valued else "NULL"
    return f"SELECT *, nullif({amount}, 0) AS _amount FROM (SELECT {', '.join(columns)} FROM {source})"
