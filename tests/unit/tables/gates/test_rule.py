"""The recon gate's rule as a table of cases (docs/contract.md §3, docs/gates.md)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tables.gates.rule import Figure, Found, GateState, Limits, Rule, Standing, judge, level, step
from tests.support.recon_figures import LIMITS, MINIMUM, figures, rule

RULE = rule(hold_us=60)

OK, WARN, ALARM, STALE, HOLD = GateState.OK, GateState.WARN, GateState.ALARM, GateState.STALE, None


@pytest.mark.parametrize(
    ("charges", "others", "expected"),
    [
        (100_000, 100_000, OK),
        (100_000, 98_000, OK),  # just 2 %
        (100_000, 102_000, OK),
        (100_000, 97_999, WARN),
        (100_000, 102_001, WARN),
        (100_000, 105_000, WARN),  # just 5 %
        (100_000, 94_999, ALARM),
        (100_000, 105_001, ALARM),
        (100_000, 0, ALARM),
        (9_999, 9_999, HOLD),
        (0, 0, HOLD),
        (9_999, 0, HOLD),
        (0, 9_999, HOLD),
        (10_000, 0, ALARM),
        (0, 10_000, ALARM),  # no charges
        (1, 10_000, ALARM),
        (10_000, 10_000, OK),
        (9_999, 10_000, OK),  # one side is enough to judge
        # Limits that no float can tell apart: 5 % of 2^53 - 1 cents is no whole number of cents.
        (2**53 * 1000, 2**53 * 1050, WARN),
        (2**53 * 1000, 2**53 * 1050 + 1, ALARM),
    ],
)
def test_the_level_of_one_evaluation(charges: int, others: int, expected: GateState | None) -> None:
    assert level(figures(charges, others)[0], LIMITS, MINIMUM) is expected


@pytest.mark.parametrize(
    ("charges", "others", "expected"), [(0, 0, HOLD), (0, 1, ALARM), (1, 1, OK), (1, 0, ALARM)]
)
def test_without_a_minimum_all_but_nothing_is_judged(
    charges: int, others: int, expected: GateState | None
) -> None:
    assert level(figures(charges, others)[0], LIMITS, 0) is expected


def states(*found: GateState | None, rule: Rule = RULE) -> list[GateState]:
    standing, seen = Standing(), []
    for one in found:
        standing = step(standing, None if one is None else Found(one, one), rule, 60)
        seen.append(standing.state)
    return seen


@pytest.mark.parametrize(
    ("found", "last"),
    [
        # worse: three in a row
        ([ALARM] * 2, OK),
        ([ALARM] * 3, ALARM),
        ([WARN] * 3, WARN),
        ([WARN, WARN, OK, WARN, WARN], OK),
        ([WARN, ALARM, WARN], WARN),  # what all three reached
        ([WARN, ALARM, ALARM], WARN),
        ([WARN, ALARM, ALARM, ALARM], ALARM),  # three in a row, the first of them before it warned
        ([WARN] * 3 + [ALARM] * 2, WARN),
        # better: ten in a row
        ([ALARM] * 3 + [OK] * 9, ALARM),
        ([ALARM] * 3 + [OK] * 10, OK),
        ([ALARM] * 3 + [OK] * 9 + [ALARM] + [OK] * 9, ALARM),
        ([ALARM] * 3 + [WARN] * 10, WARN),
        ([ALARM] * 3 + [WARN] * 1 + [OK] * 9, WARN),  # the worst of the ten
        ([ALARM] * 3 + [WARN] * 1 + [OK] * 10, OK),
        # stale: at once, and back like any better state
        ([STALE], STALE),
        ([ALARM] * 2 + [STALE], STALE),
        ([STALE] + [OK] * 9, STALE),
        ([STALE] + [OK] * 10, OK),
        ([STALE] + [OK] * 9 + [STALE] + [OK] * 9, STALE),
        ([STALE] + [ALARM] * 10, ALARM),
        ([STALE] + [ALARM] + [OK] * 9, ALARM),  # closed until ten in a row say that it may open
        ([STALE] + [ALARM] + [OK] * 10, OK),
        # held: too little to judge
        ([HOLD] * 20, OK),
        ([ALARM] * 2 + [HOLD, ALARM], OK),  # no longer in a row
        ([ALARM] * 3 + [HOLD] * 20, ALARM),
        ([ALARM] * 3 + [OK] * 9 + [HOLD] + [OK] * 9, ALARM),
        ([STALE] + [HOLD] * 10, OK),  # what it was before it went stale
        ([ALARM] * 3 + [STALE] + [HOLD] * 9, STALE),
        ([ALARM] * 3 + [STALE] + [HOLD] * 30, ALARM),
        ([WARN] * 3 + [STALE] * 5 + [HOLD] * 10, WARN),
    ],
)
def test_where_evaluations_in_a_row_lead(found: list[GateState | None], last: GateState) -> None:
    assert states(*found)[-1] is last


def test_one_evaluation_is_enough_where_the_settings_say_so() -> None:
    rule = RULE._replace(raise_after=1, clear_after=1)
    found = [WARN, ALARM, OK, STALE, WARN, HOLD, OK]
    assert states(*found, rule=rule) == [WARN, ALARM, OK, STALE, WARN, WARN, OK]


@pytest.mark.parametrize(
    ("others", "level_", "best"),
    [
        (100_000, OK, OK),
        (101_600, OK, OK),  # just 0.8 of 2 %
        (101_601, OK, WARN),
        (102_000, OK, WARN),
        (102_001, WARN, WARN),
        (104_000, WARN, WARN),
        (104_001, WARN, ALARM),
        (105_000, WARN, ALARM),
        (105_001, ALARM, ALARM),
        (96_000, WARN, WARN),
        (95_999, WARN, ALARM),
    ],
)
def test_a_limit_is_cleared_by_less_than_raises_it(others: int, level_: GateState, best: GateState) -> None:
    assert judge(figures(100_000, others), RULE) == (level_, best, 0)


def test_between_a_mark_and_its_limit_a_gate_stays_what_it_is() -> None:
    near = judge(figures(100_000, 104_500), RULE)
    standing = Standing(ALARM)
    for _ in range(100):
        standing = step(standing, near, RULE, 60)
    assert standing.state is ALARM
    standing = Standing(OK)
    for _ in range(100):
        standing = step(standing, near, RULE, 60)
    assert standing.state is WARN


@pytest.mark.parametrize(("state", "clears"), [(WARN, False), (ALARM, False), (STALE, True)])
def test_a_level_is_held_for_a_while_before_it_gets_better(state: GateState, clears: bool) -> None:
    """What came in the meantime counts: then it gets better at once."""
    standing = Standing(state)
    for _ in range(10):
        standing = step(standing, Found(OK, OK), RULE, 59)
    assert standing.state is (OK if clears else state)
    assert step(standing, Found(OK, OK), RULE, 60).state is OK


def test_a_gate_gets_worse_however_short_its_state_is() -> None:
    standing = Standing(WARN)
    for _ in range(3):
        standing = step(standing, Found(ALARM, ALARM), RULE, 0)
    assert standing.state is ALARM


def test_previous_is_the_state_before() -> None:
    standing = Standing()
    for found in [ALARM] * 3 + [STALE] * 2:
        standing = step(standing, Found(found, found), RULE, 60)
    assert (standing.state, standing.previous, standing.held) == (STALE, ALARM, ALARM)


def test_a_gate_is_open_in_ok_and_warn_alone() -> None:
    assert [state.open for state in (OK, WARN, ALARM, STALE)] == [True, True, False, False]
    assert [state.rank for state in (OK, WARN, ALARM, STALE)] == [0, 1, 2, 3]


BELOW = Limits(Fraction("0.01"), Fraction("0.001"), below=True)


@pytest.mark.parametrize(
    ("p", "found"),
    [(0.5, (OK, OK)), (0.0124, (OK, WARN)), (0.01, (OK, WARN)), (0.009, (WARN, WARN)), (0.001, (WARN, ALARM)),
     (0.0009, (ALARM, ALARM)), (0.0, (ALARM, ALARM))],
)  # fmt: skip
def test_what_is_worse_below_a_limit(p: float, found: tuple[GateState, GateState]) -> None:
    part, whole = p.as_integer_ratio()
    exact = (Figure(part, whole, p),)
    judged = judge(exact, Rule.of([BELOW], clear_at=Fraction("0.8"), raise_after=1, clear_after=1, hold_us=0))
    assert judged is not None
    assert judged[:2] == found


def test_the_worst_of_several_measures_decides_and_those_that_say_nothing_do_not() -> None:
    limits = [Limits(Fraction(10), Fraction(20)), Limits(Fraction(1), None), Limits(None, Fraction(5))]
    several = Rule.of(limits, clear_at=Fraction(1), raise_after=1, clear_after=1, hold_us=0)

    def seen(*values: int | None) -> tuple[Figure | None, ...]:
        return tuple(None if value is None else Figure(value, 1, value) for value in values)

    assert judge(seen(0, 0, 0), several) == (OK, OK, 0)
    assert judge(seen(11, 2, 0), several) == (WARN, WARN, 0)
    assert judge(seen(0, 1000, 0), several) == (WARN, WARN, 1)
    assert judge(seen(11, 2, 6), several) == (ALARM, ALARM, 2)
    assert judge(seen(None, None, 6), several) == (ALARM, ALARM, 2)
    assert judge(seen(None, None, None), several) is None
