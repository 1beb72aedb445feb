"""How each measure is computed, in a line of words and signs, from its declaration."""

from __future__ import annotations

from collections.abc import Iterable

from tables.spec.entity_measures import Count, EntityMeasure, Oldest, Total
from tables.spec.fields import Where
from tables.spec.measures import Absolute, Difference, Measure, Ratio
from tables.spec.records import Records
from tables.spec.tracked import Selection
from tables.spec.windowed import DistinctCount, Quantile, Sum, Term


def formula(measure: Measure) -> str:
    """What a measure is computed of; of one of another kind its description."""
    if isinstance(measure, Records):
        return f"number of records {measure.outcome}"
    if isinstance(measure, Sum):
        return " + ".join(map(_term, measure.terms))
    if isinstance(measure, Quantile):
        return f"value of rank ⌈{measure.q:g} · n⌉ of {_fields(measure.terms)}, within 1 %; null of none"
    if isinstance(measure, DistinctCount):
        return f"number of different values of {_fields(measure.terms)}; exact up to 256"
    if isinstance(measure, EntityMeasure):
        return _of_entities(measure)
    return _derived(measure)


def _derived(measure: Measure) -> str:
    if isinstance(measure, Difference):
        less = f" − {_sum(measure.minus)}" if measure.minus else ""
        return _sum(measure.plus, bare=not less) + less
    if isinstance(measure, Absolute):
        return f"|{measure.of}|"
    if isinstance(measure, Ratio):
        return f"{_sum(measure.over)} ÷ {_sum(measure.under)}; null where the divisor is 0"
    return measure.description


def _of_entities(measure: EntityMeasure) -> str:
    if isinstance(measure, Count):
        return f"number of entities in {measure.of}"
    if isinstance(measure, Total):
        return f"Σ {measure.field} of the entities in {measure.of}" + (
            "; null of none" if measure.null_if_none else ""
        )
    if isinstance(measure, Oldest):
        return f"as_of − time of the earliest latest event of the entities in {measure.of}; null of none"
    return measure.description


def selection_words(selection: Selection) -> str:
    """Which entities are in a selection."""
    words = f"state is {' or '.join(selection.states)}{_where(selection.where, ' and ')}"
    deadline = selection.deadline
    if deadline is None:
        return words
    since, until = (_as_of(seconds) for seconds in (deadline.since_seconds, deadline.until_seconds))
    limits = [f"{deadline.field} ≥ {since}" if since else "", f"{deadline.field} < {until}" if until else ""]
    return " and ".join([words, *filter(None, limits)])


def _as_of(seconds: int | None) -> str:
    if seconds is None:
        return ""
    return "as_of" if seconds == 0 else f"as_of {'+' if seconds > 0 else '−'} {abs(seconds) / 3600:g} h"


def _term(term: Term) -> str:
    counted = f"Σ {term.field} of" if term.field else "number of"
    return f"{counted} {term.event}{_where(term.where, ' where ')}"


def _fields(terms: Iterable[Term]) -> str:
    return " and ".join(f"{term.field} of {term.event}{_where(term.where, ' where ')}" for term in terms)


def _where(where: Where, before: str) -> str:
    words = " and ".join(f"{name} = {_value(value)}" for name, value in where)
    return before + words if words else ""


def _value(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _sum(names: tuple[str, ...], *, bare: bool = False) -> str:
    text = " + ".join(names)
    return text if bare or len(names) == 1 else f"({text})"
