"""The recon gate's rule (docs/contract.md §3 "Recon gate"), without clocks, records or Kafka.

An evaluation finds a level; a gate's standing is what the levels of its evaluations in a row make of it.
docs/gates.md explains every choice that the contract leaves open.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple


class GateState(StrEnum):
    """From best to worst. A gate is open in `ok` and `warn` alone."""

    OK = "ok"
    WARN = "warn"
    ALARM = "alarm"
    STALE = "stale"

    @property
    def rank(self) -> int:
        """0 ok … 3 stale, as in `sluice_gate_state`."""
        return _BY_RANK.index(self)

    @property
    def open(self) -> bool:
        """Whether what obeys the gate may go on."""
        return self in (GateState.OK, GateState.WARN)


_BY_RANK = tuple(GateState)


class Limits(NamedTuple):
    """What one evaluation is held against.

    `warn`, `alarm`: limits of the variance ratio, exact. `min_minor`: under it on both sides a gate holds.
    """

    warn: Fraction
    alarm: Fraction
    min_minor: int


class Rule(NamedTuple):
    """The settings of the rule.

    `marks`: lower than `limits`; a state is left for a better one by what is not above these. `raise_after`,
    `clear_after`: evaluations in a row that a worse and a better state need. `hold_us`: how long a gate stays
    in `warn` and `alarm` at least before it gets better, in µs.
    """

    limits: Limits
    marks: Limits
    raise_after: int
    clear_after: int
    hold_us: int

    @classmethod
    def of(
        cls, limits: Limits, *, clear_at: Fraction, raise_after: int, clear_after: int, hold_us: int
    ) -> Rule:
        """One whose marks are this share of the limits."""
        marks = limits._replace(warn=limits.warn * clear_at, alarm=limits.alarm * clear_at)
        return cls(limits, marks, raise_after, clear_after, hold_us)


class Found(NamedTuple):
    """What one evaluation finds: a `level`, by the limits; the `best` state that it allows, by the marks."""

    level: GateState
    best: GateState


IS_STALE = Found(GateState.STALE, GateState.STALE)


class Figures(NamedTuple):
    """What a gate compares, in minor units: charges, and payouts + refunds + fees."""

    charges: int
    others: int

    @property
    def variance(self) -> int:
        """Charges less the other side."""
        return self.charges - self.others

    @property
    def ratio(self) -> float | None:
        """Absolute variance ÷ charges, correctly rounded; None without charges."""
        return abs(self.variance) / self.charges if self.charges else None


NOTHING = Figures(0, 0)


def level(figures: Figures, limits: Limits) -> GateState | None:
    """What one evaluation that is not stale finds; None where there is too little to judge: the gate holds.

    Ratios are compared as integers, so that a limit that is just met is not passed.
    """
    charges, others = figures
    if max(charges, others) < max(limits.min_minor, 1):  # nothing at all is too little whatever the minimum
        return None
    if not charges:
        return GateState.ALARM
    apart = abs(charges - others)
    if apart * limits.alarm.denominator > limits.alarm.numerator * charges:
        return GateState.ALARM
    if apart * limits.warn.denominator > limits.warn.numerator * charges:
        return GateState.WARN
    return GateState.OK


def judge(figures: Figures, rule: Rule) -> Found | None:
    """What one evaluation that is not stale finds; None where it is to hold."""
    found, best = level(figures, rule.limits), level(figures, rule.marks)
    return None if found is None or best is None else Found(found, best)


class Standing(NamedTuple):
    """A gate between two evaluations.

    `previous`: the state before this one, None for a gate that has had no other. `worse[i]`: how many
    evaluations in a row, up to the last, found at least the level of rank i + 1 (warn, alarm); `better[i]`:
    allowed the state of rank i (ok, warn, alarm) or a better one.
    """

    state: GateState = GateState.OK
    previous: GateState | None = None
    worse: tuple[int, ...] = (0, 0)
    better: tuple[int, ...] = (0, 0, 0)

    @property
    def held(self) -> GateState:
        """What an evaluation with too little to judge stands for: the state, before it went stale."""
        return (self.previous or GateState.OK) if self.state is GateState.STALE else self.state


def step(standing: Standing, found: Found | None, rule: Rule, state_us: int) -> Standing:
    """One more evaluation; `found` is None where it is to hold. `state_us`: how long the gate has been in its
    state, in µs.

    A worse state is reached when the last `raise_after` evaluations all found at least that level, a better
    one when the last `clear_after` all allowed it, and no sooner than `hold_us` after the gate came into the
    state that it leaves. `stale` is reached at once, and left without that wait.
    """
    reached, best = found or (standing.held, standing.held)
    worse = tuple(count + 1 if reached.rank >= at else 0 for at, count in enumerate(standing.worse, 1))
    better = tuple(count + 1 if best.rank <= at else 0 for at, count in enumerate(standing.better))
    state = GateState.STALE
    if reached is not GateState.STALE:
        clears = standing.state is GateState.STALE or state_us >= rule.hold_us
        state = _moved(standing.state, worse, better if clears else (0, 0, 0), rule)
    previous = standing.previous if state is standing.state else standing.state
    return Standing(state, previous, worse, better)


def _moved(state: GateState, worse: tuple[int, ...], better: tuple[int, ...], rule: Rule) -> GateState:
    now = state.rank
    for reached in (2, 1):
        if reached > now and worse[reached - 1] >= rule.raise_after:
            return _BY_RANK[reached]
    for reached in (0, 1, 2):
        if reached < now and better[reached] >= rule.clear_after:
            return _BY_RANK[reached]
    return state
