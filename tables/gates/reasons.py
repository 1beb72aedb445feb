"""Why a gate is in its state, in words for people (docs/gates.md)."""

from __future__ import annotations

from fractions import Fraction

from tables.gates.rule import Figures, GateState, Rule, Standing, level


def reason(standing: Standing, figures: Figures, rule: Rule, stale: str | None) -> str:
    """What the last evaluation found, and what it takes for another state where that is not this one's.

    `stale`: why the figures can't be trusted, None if they can.
    """
    if stale is not None:
        return stale
    found = level(figures, rule)
    said = _found(figures, rule, found)
    if found is None:
        return f"{said}: the gate holds{_change(standing, standing.held, rule)}"
    return said + _change(standing, found, rule)


def _found(figures: Figures, rule: Rule, found: GateState | None) -> str:
    if found is None:
        return f"under the minimum: charges and payouts + refunds + fees are both under {rule.min_minor:,}"
    if not figures.charges:
        return f"no charges, against payouts + refunds + fees of {figures.others:,}"
    warn, alarm = _percent(rule.warn), _percent(rule.alarm)
    limits = {GateState.ALARM: f"above {alarm}", GateState.WARN: f"above {warn}, and not above {alarm}"}
    apart = _percent(Fraction(abs(figures.variance), figures.charges))
    return f"variance is {apart} of charges, {limits.get(found, f'not above {warn}')}"


def _change(standing: Standing, found: GateState, rule: Rule) -> str:
    """What it takes until the state is the one found."""
    state = standing.state
    if found is state:
        return ""
    if found.rank > state.rank:
        needed, so_far = rule.raise_after, standing.worse[found.rank - 1]
    else:
        needed, so_far = rule.clear_after, standing.better[found.rank]
    return f"; {found} after {needed} evaluations in a row, {so_far} so far"


def _percent(ratio: Fraction) -> str:
    """With as many digits as tell it from a limit that it just passes."""
    return f"{float(ratio * 100):.6g}%"
