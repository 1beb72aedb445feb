"""A view's rows as SQL (DuckDB), generated from its declaration.

`sql_of` is one query over Bronze. It counts what the view counts, but for what time makes of state: events
that came later than panes are kept, repeated ids further apart than SLUICE_DEDUPE_SECONDS, and closed
entities that are forgotten by now. `rows_sql` is the same over events that somebody else has chosen. Their
parameters are `$from` and `$to` (whole panes), and `$as_of` where ages or deadlines are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from textwrap import indent

from streams.view_sql.entities import entity_measure, latest
from streams.view_sql.members import compared, dimension, literal, member, named, quoted, texts
from tables.spec.entity_measures import Count, Oldest, Total
from tables.spec.measures import Absolute, Difference, Measure, Ratio
from tables.spec.view import View
from tables.spec.windowed import DistinctCount, Quantile, Sum, Term, Windowed, WindowedMeasure

ROOT = "/data/bronze"
_KINDS = (Sum, Quantile, DistinctCount, Difference, Absolute, Ratio, Count, Total, Oldest)
"""Those whose SQL is held against the views by a test."""
_BRONZE = """\
bronze AS (
    SELECT * FROM read_json('{root}/event=*/**/*.ndjson.gz', format = 'newline_delimited',
        compression = 'gzip', hive_partitioning = true, hive_types_autocast = false,
        columns = {{event_id: 'VARCHAR', event: 'VARCHAR', occurred_at: 'VARCHAR', city: 'VARCHAR',
            payload: 'JSON', _kafka: 'STRUCT(topic VARCHAR, "partition" BIGINT, "offset" BIGINT)'}})
    WHERE event IN ({events})
)"""
_EVENTS = """\
events AS (
    SELECT *, upper(occurred_at)::TIMESTAMPTZ AS happened FROM bronze
    QUALIFY row_number() OVER (
        PARTITION BY _kafka.topic, _kafka."partition", event_id ORDER BY _kafka."offset") = 1
)"""


def sql_of(view: View, root: str = ROOT) -> str | None:
    """The query over Bronze, its rows those of the view's answer; None where a measure is of a kind that it
    can't say.

    Rows of nothing but zeros may differ: an answer may have more of them.
    """
    if not is_sayable(view):
        return None
    parts = [_BRONZE.format(root=root, events=texts(sorted(view.events))), _EVENTS]
    if view.tracks is not None:
        parts.append(latest(view.tracks))
    return rows_sql(view, parts)


def is_sayable(view: View) -> bool:
    """Whether each of its measures is of a kind that is said in SQL here."""
    return all(type(measure) in _KINDS and _is_plain(measure) for measure in view.measures)


def _is_plain(measure: Measure) -> bool:
    """Whether no event has two values that count."""
    if not isinstance(measure, Quantile | DistinctCount):
        return True
    return len({term.event for term in measure.terms}) == len(measure.terms)


def rows_sql(view: View, parts: Sequence[str], group_by: Sequence[str] | None = None) -> str:
    """The rows of a view whose measures are sayable, by these of its dimensions (None: by all).

    `parts`: what stands before them in WITH; there, or as tables, are `events` (event_id, event, city,
    payload and, as a TIMESTAMPTZ, happened) and of a view that tracks entities `latest` (the same, and
    state).
    """
    by = view.dimensions if group_by is None else tuple(group_by)
    parts = list(parts)
    source = "entities"
    if isinstance(view, Windowed):
        parts.append(_counted(view, by))
        source = "counted"
    if view.tracks is not None:
        parts.append(_entities(view, by))
        if source == "counted":
            parts.append(_merged(view, by))
            source = "merged"
    return f"WITH {', '.join(parts)}\n{_select(view, by, source)}\nORDER BY ALL"


def _counted(view: Windowed, by: Sequence[str]) -> str:
    """What lies in the window, by the view's dimensions."""
    kept = [measure for measure in view.measures if isinstance(measure, Sum | Quantile | DistinctCount)]
    columns = [*_dimensions(view, by), *(named(_kept(measure), measure.name) for measure in kept)]
    return (
        f"counted AS (\n    SELECT {_listed(columns)}\n    FROM events\n"
        f"    WHERE {in_window()}\n      AND ({counts(view)})\n    GROUP BY ALL\n)"
    )


def in_window() -> str:
    """Whether an event lies in the panes that start in the window."""
    return "date_trunc('minute', happened) >= $from AND date_trunc('minute', happened) < $to"


def counts(view: Windowed) -> str:
    """Whether a windowed measure looks at an event."""
    terms = [term for kept in view.kept for term in kept.terms]
    return " OR ".join(dict.fromkeys(f"({where(term)})" for term in terms))


def _entities(view: View, by: Sequence[str]) -> str:
    """The measures of the latest states, by the view's dimensions."""
    assert view.tracks is not None
    measures = [named(entity_measure(one, view.tracks), one.name) for one in view.entity_measures]
    columns = [*_dimensions(view, by), *measures]
    return f"entities AS (\n    SELECT {_listed(columns)}\n    FROM latest\n    GROUP BY ALL\n)"


def _merged(view: View, by: Sequence[str]) -> str:
    """A group's sums beside its entities, where one of them may be missing."""
    names = [measure.name for measure in view.measures if derived_sql(measure) is None]
    nulls = {measure.name for measure in view.measures if measure.nullable}
    values = {name: f"any_value({quoted(name)})" for name in names}
    columns = [
        named(value if name in nulls else f"coalesce({value}, 0)", name) for name, value in values.items()
    ]
    return (
        f"merged AS (\n    SELECT {_listed([*map(quoted, by), *columns])}\n"
        "    FROM (FROM counted UNION ALL BY NAME FROM entities)\n    GROUP BY ALL\n)"
    )


def _select(view: View, by: Sequence[str], source: str) -> str:
    """The measures in their order, derived ones computed of those before them."""
    measures = [_finished(measure) for measure in view.measures]
    return f"SELECT {_listed([*map(quoted, by), *measures])}\nFROM {source}"


def _finished(measure: Measure) -> str:
    return named(derived_sql(measure) or measure.name, measure.name)


def derived_sql(measure: Measure) -> str | None:
    """A measure that is computed from others of the row; None of one that is kept."""
    if isinstance(measure, Difference):
        return _sum(measure.plus) + "".join(f" - {quoted(name)}" for name in measure.minus)
    if isinstance(measure, Absolute):
        return f"abs({quoted(measure.of)})"
    if isinstance(measure, Ratio):
        under = _sum(measure.under)
        over = _sum(measure.over) if len(measure.over) == 1 else f"({_sum(measure.over)})"
        return f"{over} / nullif(({under})::DOUBLE, 0)"
    return None


def _sum(names: Iterable[str]) -> str:
    return " + ".join(map(quoted, names))


def _kept(measure: WindowedMeasure) -> str:
    if isinstance(measure, Sum):
        by_field = groupby(measure.terms, key=lambda term: term.field)
        return " + ".join(part for field, terms in by_field for part in _summed(field, list(terms)))
    if isinstance(measure, Quantile):
        return f"quantile_disc({_values(measure.terms, '::BIGINT')}, {measure.q})"
    assert isinstance(measure, DistinctCount)
    return f"count(DISTINCT {_values(measure.terms)})"


def _summed(field: str | None, terms: list[Term]) -> Iterable[str]:
    """The sum of terms of one field: one sum, where no event is in two of them."""
    is_once = len({term.event for term in terms}) == len(terms)
    for group in [terms] if is_once else [[term] for term in terms]:
        chosen = f"FILTER (WHERE {' OR '.join(map(where, group))})"
        if field is None:
            yield f"count(*) {chosen}"
        else:
            yield f"coalesce(sum(({member(group[0].event, field)})::BIGINT) {chosen}, 0)"


def added(terms: Iterable[Term]) -> str:
    """What one event adds to the sum of terms."""
    parts = []
    for term in terms:
        value = "1" if term.field is None else f"({member(term.event, term.field)})::BIGINT"
        parts.append(f"CASE WHEN {where(term)} THEN {value} ELSE 0 END")
    return " + ".join(parts) or "0"


def _values(terms: Sequence[Term], cast: str = "") -> str:
    cases = (f"WHEN {where(term)} THEN ({member(term.event, term.field or '')}){cast}" for term in terms)
    return f"CASE {' '.join(cases)} END"


def where(term: Term) -> str:
    """Whether an event is in a term."""
    parts = [f"event = {literal(term.event)}"]
    parts += [compared(member(term.event, name), value) for name, value in term.where]
    return " AND ".join(parts)


def _dimensions(view: View, by: Sequence[str]) -> list[str]:
    return [named(dimension(view, name), name) for name in by]


def _listed(columns: Sequence[str]) -> str:
    return indent(",\n".join(columns), "        ").lstrip()
