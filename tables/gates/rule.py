"""The rule of every gate (docs/contract.md §3 "Recon gate"), without clocks, records or Kafka.

An evaluation finds a level; a gate's standing is what the levels of its evaluations in a row make of it.
docs/gates.md explains every choice that the contract leaves open.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from tables.spec.measures import Number

BEYOND = Fraction(10**30)
"""What no measure reaches: the mark of a limit that is never cleared."""


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
    """What a measure is held against, exact; None: never. `below`: it is worse below them, not above."""

    warn: Fraction | None
    alarm: Fraction | None
    below: bool = False

    def eased(self, clear_at: Fraction) -> Limits:
        """The marks at which a level is left again: this share of the limits, or as far below them."""

        def mark(limit: Fraction | None) -> Fraction | None:
            if limit is None or not self.below:
                return None if limit is None else limit * clear_at
            return limit / clear_at if clear_at else BEYOND

        return Limits(mark(self.warn), mark(self.alarm), self.below)


class Rule(NamedTuple):
    """How a gate is judged.

    `limits`, `marks`: of each watched measure; a state is left for a better one by what is not beyond the
    marks. `minimum`: under it there is too little to judge. `raise_after`, `clear_after`: evaluations in a
    row that a worse and a better state need. `hold_us`: how long a gate stays in `warn` and `alarm` at least
    before it gets better, in µs.
    """

    limits: tuple[Limits, ...]
    marks: tuple[Limits, ...]
    minimum: int
    raise_after: int
    clear_after: int
    hold_us: int

    @classmethod
    def of(
        cls,
        limits: Sequence[Limits],
        *,
        minimum: int = 0,
        clear_at: Fraction,
        raise_after: int,
        clear_after: int,
        hold_us: int,
    ) -> Rule:
        """One whose marks are this share of the limits."""
        marks = tuple(one.eased(clear_at) for one in limits)
        return cls(tuple(limits), marks, minimum, raise_after, clear_after, hold_us)


class Figure(NamedTuple):
    """What is seen of a watched measure: `part` ÷ `whole`, exact; `value` as an answer of the view has it.

    `enough`: what must reach the minimum, None where nothing must.
    """

    part: int
    whole: int
    value: Number
    enough: int | None = None


Figures = tuple[Figure | None, ...]
"""One for each watched measure; None where it is null for want of one of its sides."""


class Found(NamedTuple):
    """What one evaluation finds: a `level`, by the limits; the `best` state that it allows, by the marks; the
    place of the watched measure that decides."""

    level: GateState
    best: GateState
    watch: int = 0


IS_STALE = Found(GateState.STALE, GateState.STALE)


def level(figure: Figure | None, limits: Limits, minimum: int) -> GateState | None:
    """What one measure says; None where there is too little to judge.

    Ratios are compared as integers, so that a limit that is just met is not passed.
    """
    if figure is None or (figure.enough is not None and figure.enough < max(minimum, 1)):
        return None  # nothing at all is too little whatever the minimum
    for state, limit in ((GateState.ALARM, limits.alarm), (GateState.WARN, limits.warn)):
        if limit is not None and _beyond(figure, limit, below=limits.below):
            return state
    return GateState.OK


def _beyond(figure: Figure, limit: Fraction, *, below: bool) -> bool:
    part, whole = figure.part * limit.denominator, limit.numerator * figure.whole
    return part < whole if below else part > whole


def judge(figures: Figures, rule: Rule) -> Found | None:
    """What one evaluation that is not stale finds; None where it is to hold. The worst measure decides."""
    found: Found | None = None
    for at, figure in enumerate(figures):
        reached = level(figure, rule.limits[at], rule.minimum)
        best = level(figure, rule.marks[at], rule.minimum)
        if reached is None or best is None:
            continue
        if found is None:
            found = Found(reached, best, at)
            continue
        decides = (reached.rank, best.rank) > (found.level.rank, found.best.rank)
        found = Found(
            max(found.level, reached, key=_rank),
            max(found.best, best, key=_rank),
            at if decides else found.watch,
        )
    return found


def _rank(state: GateState) -> int:
    return state.rank


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
    reached, best, _ = found or Found(standing.held, standing.held)
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
