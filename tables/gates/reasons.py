"""Why a gate is in its state, in words for people (docs/gates.md)."""

from __future__ import annotations

from fractions import Fraction

from schemas.times import SECOND_US
from tables.gates.rule import Figures, Found, GateState, Limits, Rule, Standing, judge


def reason(standing: Standing, figures: Figures, rule: Rule, stale: str | None, state_us: int) -> str:
    """What the last evaluation found, and what it takes for another state where that is not this one's.

    `stale`: why the figures can't be trusted, None if they can. `state_us`: how long the gate has been in its
    state, in µs.
    """
    if stale is not None:
        return stale
    found = judge(figures, rule)
    said = _found(figures, rule.limits, found and found.level)
    if found is None:
        held = Found(standing.held, standing.held)
        return f"{said}: the gate holds{_change(standing, held, rule, state_us)}"
    return said + _change(standing, found, rule, state_us)


def _found(figures: Figures, limits: Limits, found: GateState | None) -> str:
    if found is None:
        return f"under the minimum: charges and payouts + refunds + fees are both under {limits.min_minor:,}"
    if not figures.charges:
        return f"no charges, against payouts + refunds + fees of {figures.others:,}"
    warn, alarm = _percent(limits.warn), _percent(limits.alarm)
    against = {GateState.ALARM: f"above {alarm}", GateState.WARN: f"above {warn}, and not above {alarm}"}
    apart = _percent(Fraction(abs(figures.variance), figures.charges))
    return f"variance is {apart} of charges, {against.get(found, f'not above {warn}')}"


def _change(standing: Standing, found: Found, rule: Rule, state_us: int) -> str:
    """What it takes until the state is the one found."""
    state = standing.state
    if found.level.rank > state.rank:
        so_far = standing.worse[found.level.rank - 1]
        return f"; {found.level} after {rule.raise_after} evaluations in a row, {so_far} so far"
    if found.level is state:
        return ""
    if found.best is state:
        mark = rule.marks.alarm if state is GateState.ALARM else rule.marks.warn
        return f"; {state} until it is not above {_percent(mark)}"
    so_far = standing.better[found.best.rank]
    said = f"; {found.best} after {rule.clear_after} evaluations in a row, {so_far} so far"
    if state is not GateState.STALE and state_us < rule.hold_us:
        said += f", and {rule.hold_us // SECOND_US} s of {state}"
    return said


def _percent(ratio: Fraction) -> str:
    """With as many digits as tell it from a limit that it just passes."""
    return f"{float(ratio * 100):.6g}%"
