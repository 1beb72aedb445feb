"""A view as SQL (DuckDB) over Bronze, generated from its declaration.

It counts what the view counts, but for what time makes of state: events that came later than panes are kept,
repeated ids further apart than SLUICE_DEDUPE_SECONDS, and closed entities that are forgotten by now. Its
parameters are `$from` and `$to` (whole panes), and `$as_of` where ages or deadlines are asked for.
"""

# What is put together here is shown to people, and made of declarations alone.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from textwrap import indent

from schemas.catalogue import EVENTS
from streams.site.sql_entities import entity_measure, latest
from tables.spec.entity_measures import Count, Oldest, Total
from tables.spec.fields import CITY, Value
from tables.spec.measures import Absolute, Difference, Measure, Ratio
from tables.spec.view import View
from tables.spec.windowed import Quantile, Sum, Term, Windowed, WindowedMeasure

ROOT = "/data/bronze"
_KINDS = (Sum, Quantile, Difference, Absolute, Ratio, Count, Total, Oldest)
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
    """The query, its rows those of the view's answer; None where a measure is of a kind that it can't say.

    Rows of nothing but zeros may differ: an answer may have more of them.
    """
    if not all(type(measure) in _KINDS for measure in view.measures):
        return None
    kept = [measure for measure in view.measures if isinstance(measure, Sum | Quantile)]
    parts = [_BRONZE.format(root=root, events=texts(sorted(view.events))), _EVENTS]
    source = "entities"
    if isinstance(view, Windowed):
        parts.append(_counted(view, kept))
        source = "counted"
    if view.tracks is not None:
        parts += [latest(view.tracks), _entities(view)]
        if source == "counted":
            parts.append(_merged(view))
            source = "merged"
    return f"WITH {', '.join(parts)}\n{_select(view, source)}\nORDER BY ALL"


def _counted(view: Windowed, kept: Sequence[WindowedMeasure]) -> str:
    """What lies in the window, by the view's dimensions."""
    counting = " OR ".join(dict.fromkeys(f"({_where(t)})" for measure in kept for t in measure.terms))
    columns = [*_dimensions(view), *(f"{_kept(measure)} AS {measure.name}" for measure in kept)]
    return (
        f"counted AS (\n    SELECT {_listed(columns)}\n    FROM events\n"
        "    WHERE date_trunc('minute', happened) >= $from AND date_trunc('minute', happened) < $to\n"
        f"      AND ({counting})\n    GROUP BY ALL\n)"
    )


def _entities(view: View) -> str:
    """The measures of the latest states, by the view's dimensions."""
    assert view.tracks is not None
    measures = [f"{entity_measure(one, view.tracks)} AS {one.name}" for one in view.entity_measures]
    columns = [*_dimensions(view), *measures]
    return f"entities AS (\n    SELECT {_listed(columns)}\n    FROM latest\n    GROUP BY ALL\n)"


def _merged(view: View) -> str:
    """A group's sums beside its entities, where one of them may be missing."""
    names = [measure.name for measure in view.measures if derived_sql(measure) is None]
    nulls = {measure.name for measure in view.measures if not isinstance(measure, Sum)}
    columns = [
        f"any_value({name}) AS {name}" if name in nulls else f"coalesce(any_value({name}), 0) AS {name}"
        for name in names
    ]
    return (
        f"merged AS (\n    SELECT {_listed([*view.dimensions, *columns])}\n"
        "    FROM (FROM counted UNION ALL BY NAME FROM entities)\n"
        f"    GROUP BY {', '.join(view.dimensions)}\n)"
    )


def _select(view: View, source: str) -> str:
    """The measures in their order, derived ones computed of those before them."""
    measures = [_finished(measure) for measure in view.measures]
    return f"SELECT {_listed([*view.dimensions, *measures])}\nFROM {source}"


def _finished(measure: Measure) -> str:
    derived = derived_sql(measure)
    return measure.name if derived is None else f"{derived} AS {measure.name}"


def derived_sql(measure: Measure) -> str | None:
    """A measure that is computed from others of the row; None of one that is kept."""
    if isinstance(measure, Difference):
        return _sum(measure.plus) + "".join(f" - {name}" for name in measure.minus)
    if isinstance(measure, Absolute):
        return f"abs({measure.of})"
    if isinstance(measure, Ratio):
        under = _sum(measure.under)
        over = _sum(measure.over) if len(measure.over) == 1 else f"({_sum(measure.over)})"
        return f"{over} / nullif(({under})::DOUBLE, 0)"
    return None


def _sum(names: Iterable[str]) -> str:
    return " + ".join(names)


def _kept(measure: WindowedMeasure) -> str:
    if isinstance(measure, Sum):
        by_field = groupby(measure.terms, key=lambda term: term.field)
        return " + ".join(part for field, terms in by_field for part in _summed(field, list(terms)))
    assert isinstance(measure, Quantile)
    return f"quantile_disc({_values(measure.terms)}, {measure.q})"


def _summed(field: str | None, terms: list[Term]) -> Iterable[str]:
    """The sum of terms of one field: one sum, where no event is in two of them."""
    is_once = len({term.event for term in terms}) == len(terms)
    for group in [terms] if is_once else [[term] for term in terms]:
        where = " OR ".join(map(_where, group))
        if field is None:
            yield f"count(*) FILTER (WHERE {where})"
        else:
            yield f"coalesce(sum(({member(group[0].event, field)})::BIGINT) FILTER (WHERE {where}), 0)"


def _values(terms: Sequence[Term]) -> str:
    cases = (f"WHEN {_where(term)} THEN ({member(term.event, term.field or '')})::BIGINT" for term in terms)
    return f"CASE {' '.join(cases)} END"


def _where(term: Term) -> str:
    parts = [f"event = '{term.event}'"]
    parts += [compared(member(term.event, name), value) for name, value in term.where]
    return " AND ".join(parts)


def _dimensions(view: View) -> list[str]:
    event = min(view.events)
    return [CITY if name == CITY else f"{member(event, name)} AS {name}" for name in view.dimensions]


def member(event: str, name: str) -> str:
    """A payload's member as text, with what stands for it where it is left out."""
    fields = EVENTS[event].payload.model_fields
    plain = f"payload->>'{name}'"
    if name not in fields or fields[name].is_required() or fields[name].default is None:
        return plain
    return f"coalesce({plain}, {literal(fields[name].default)})"


def compared(text: str, value: Value) -> str:
    """Whether a member, as text, is this value."""
    return f"{text} IS NULL" if value is None else f"{text} = {literal(value)}"


def literal(value: object) -> str:
    """A value as JSON has it, as a text of SQL."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    return "'" + text.replace("'", "''") + "'"


def texts(values: Iterable[str]) -> str:
    """A list of texts."""
    return ", ".join(map(literal, values))


def _listed(columns: Sequence[str]) -> str:
    return indent(",\n".join(columns), "        ").lstrip()
