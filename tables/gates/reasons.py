"""Why a gate is in its state, in words for people (docs/gates.md)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from schemas.times import SECOND_US
from tables.gates.rule import Figures, Found, GateState, Limits, Rule, Standing, judge
from tables.spec.gate import Watch, Worse
from tables.spec.measures import Number, Unit


class Words(NamedTuple):
    """How a watched measure is spoken of."""

    watch: Watch
    unit: Unit


def reason(
    standing: Standing,
    figures: Figures,
    words: Sequence[Words],
    rule: Rule,
    *,
    stale: str | None,
    state_us: int,
) -> str:
    """What the last evaluation found, and what it takes for another state where that is not this one's.

    `stale`: why the figures can't be trusted, None if they can. `state_us`: how long the gate has been in its
    state, in µs.
    """
    if stale is not None:
        return stale
    found = judge(figures, rule)
    if found is None:
        held = Found(standing.held, standing.held)
        change = _change(standing, held, words, rule, state_us)
        return f"{_too_little(figures, words, rule)}: the gate holds{change}"
    said, figure = measured(figures, words, found.watch), figures[found.watch]
    against = _against(found, words, rule, figure.whole if figure else 0)
    return f"{said}{against}{_change(standing, found, words, rule, state_us)}"


def measured(figures: Figures, words: Sequence[Words], at: int) -> str:
    """What is seen of the watched measure at this place."""
    watch, unit = words[at]
    figure = figures[at]
    assert figure is not None, "it has been judged"
    if not figure.whole:
        return watch.without.format(f"{figure.part:,}")
    return watch.says.format(number(Fraction(figure.part, figure.whole), unit))


def _against(found: Found, words: Sequence[Words], rule: Rule, whole: int) -> str:
    """The limits that it is beyond, and the next one that it is not."""
    limits, unit = rule.limits[found.watch], words[found.watch].unit
    if not whole:
        return ""  # a ratio to nothing is beyond any limit
    if found.level is GateState.ALARM:
        return "" if limits.alarm is None else f", {_side(limits)} {number(limits.alarm, unit)}"
    said = []
    if found.level is GateState.WARN and limits.warn is not None:
        said.append(f"{_side(limits)} {number(limits.warn, unit)}")
    next_limit = limits.alarm if found.level is GateState.WARN or limits.warn is None else limits.warn
    if next_limit is not None:
        said.append(f"not {_side(limits)} {number(next_limit, unit)}")
    return f", {', and '.join(said)}"


def _too_little(figures: Figures, words: Sequence[Words], rule: Rule) -> str:
    for figure, (watch, _) in zip(figures, words, strict=False):
        if figure is not None and figure.enough is not None:
            return f"under the minimum: {watch.too_little.format(f'{rule.minimum:,}')}"
    return "there is nothing to judge"


def _change(standing: Standing, found: Found, words: Sequence[Words], rule: Rule, state_us: int) -> str:
    """What it takes until the state is the one found."""
    state = standing.state
    if found.level.rank > state.rank:
        so_far = standing.worse[found.level.rank - 1]
        return f"; {found.level} after {rule.raise_after} evaluations in a row, {so_far} so far"
    if found.level is state:
        return ""
    if found.best is state:
        marks, unit = rule.marks[found.watch], words[found.watch].unit
        mark = marks.alarm if state is GateState.ALARM else marks.warn
        return f"; {state} until it is not {_side(marks)} {number(mark or Fraction(0), unit)}"
    so_far = standing.better[found.best.rank]
    said = f"; {found.best} after {rule.clear_after} evaluations in a row, {so_far} so far"
    if state is not GateState.STALE and state_us < rule.hold_us:
        said += f", and {rule.hold_us // SECOND_US} s of {state}"
    return said


def _side(limits: Limits) -> str:
    return Worse.BELOW if limits.below else Worse.ABOVE


def number(value: Fraction, unit: Unit) -> str:
    """With as many digits as tell it from a limit that it just passes."""
    if unit is Unit.RATIO:
        return f"{float(value * 100):.6g}%"
    if unit is Unit.SECONDS:
        return f"{float(value / 3600):.6g} h"
    whole: Number = value.numerator if value.denominator == 1 else None
    return f"{whole:,}" if whole is not None else f"{float(value):.6g}"
