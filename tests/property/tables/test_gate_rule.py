"""The rule against a plain re-implementation from the words of docs/contract.md §3."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tables.gates.rule import IS_STALE, Limits, Rule, Standing, judge, step
from tests.support.examples import examples
from tests.support.recon_figures import LIMITS, figures
from tests.support.recon_figures import rule as recon_rule

ORDER = ["ok", "warn", "alarm", "stale"]


class Plain:
    """Keeps every evaluation there ever was, one a tick, and counts back from the last."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.state = "ok"
        self.before_stale = "ok"
        self.since = 0
        self.levels: list[int] = []
        self.best: list[int] = []

    def evaluate(self, charges: int, others: int, *, stale: bool) -> str:
        limits, marks = (self.judge(charges, others, of[0]) for of in (self.rule.limits, self.rule.marks))
        self.levels.append(ORDER.index("stale" if stale else limits))
        self.best.append(ORDER.index("stale" if stale else marks))
        before, now = self.state, len(self.levels)
        rank = ORDER.index(before)
        if stale:
            if before != "stale":
                self.before_stale = before
            self.state = "stale"
        elif (worse := min(self.newest(self.levels, self.rule.raise_after))) > rank:
            self.state = ORDER[worse]
        elif (better := max(self.newest(self.best, self.rule.clear_after, 3))) < rank and (
            before == "stale" or now - self.since >= self.rule.hold_us
        ):
            self.state = ORDER[better]
        if self.state != before:
            self.since = now
        return self.state

    def judge(self, charges: int, others: int, limits: Limits) -> str:
        least = self.rule.minimum
        assert limits.warn is not None
        assert limits.alarm is not None
        if charges < least and others < least:
            return self.before_stale if self.state == "stale" else self.state
        if charges == 0:
            return "alarm"
        ratio = Fraction(abs(charges - others), charges)
        if ratio > limits.alarm:
            return "alarm"
        return "warn" if ratio > limits.warn else "ok"

    @staticmethod
    def newest(ranks: list[int], count: int, unknown: int = 0) -> list[int]:
        """The last so many; where there are fewer, `unknown` for those."""
        return [*[unknown] * (count - len(ranks)), *ranks[-count:]]


class Gate:
    """A standing, and since which tick."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.standing = Standing()
        self.now = self.since = 0

    def evaluate(self, charges: int, others: int, *, stale: bool) -> None:
        self.now += 1
        found = IS_STALE if stale else judge(figures(charges, others), self.rule)
        before, self.standing = self.standing, step(self.standing, found, self.rule, self.now - self.since)
        if self.standing.state is not before.state:
            assert self.standing.previous is before.state
            self.since = self.now


amounts = st.one_of(
    st.integers(0, 40),
    st.sampled_from([0, 9, 10, 11, 98, 99, 100, 101, 102, 103, 104, 105, 106, 1000]),
    st.integers(0, 2**53 - 1),
)
percent = st.integers(0, 12).map(lambda whole: Fraction(whole, 100))
evaluations = st.lists(
    st.tuples(amounts, amounts, st.sampled_from([False] * 9 + [True]), st.integers(1, 6)), max_size=40
)
rules = st.builds(
    lambda one, other, least, clear_at, up, down, hold: Rule.of(
        [Limits(min(one, other), max(one, other))], minimum=least,
        clear_at=clear_at, raise_after=up, clear_after=down, hold_us=hold,
    ),
    percent, percent, st.integers(1, 50), st.sampled_from([Fraction(4, 5), Fraction(1), Fraction(0)]),
    st.integers(1, 4), st.integers(1, 6), st.integers(0, 12),
)  # fmt: skip


@examples(400)
@given(rules, evaluations)
def test_the_rule_is_what_the_words_say(rule: Rule, given_: list[tuple[int, int, bool, int]]) -> None:
    plain, gate = Plain(rule), Gate(rule)
    for charges, others, stale, times in given_:
        for _ in range(times):
            gate.evaluate(charges, others, stale=stale)
            assert gate.standing.state == plain.evaluate(charges, others, stale=stale)
            assert gate.standing.state.open is (gate.standing.state in ("ok", "warn"))
            assert not (stale and gate.standing.state.open)


@given(rules, evaluations)
def test_a_gate_opens_only_after_so_many_evaluations_that_say_so(
    rule: Rule, given_: list[tuple[int, int, bool, int]]
) -> None:
    """Whatever came before: nothing opens a closed gate but `clear_after` evaluations that close nothing."""
    gate, quiet = Gate(rule), 0
    for charges, others, stale, times in given_:
        for _ in range(times):
            found = IS_STALE if stale else judge(figures(charges, others), rule)
            judged = gate.standing.held if found is None else found.best
            quiet = quiet + 1 if judged.open else 0
            was_closed = not gate.standing.state.open
            gate.evaluate(charges, others, stale=stale)
            if was_closed and gate.standing.state.open:
                assert quiet >= rule.clear_after


def transitions(rule: Rule, noise: Sequence[int]) -> int:
    """How often a gate changes its state while variance is about its limit of 5 %, evaluated ten times a
    second."""
    gate, count = Gate(rule), 0
    for others in noise:
        before = gate.standing.state
        gate.evaluate(1_000_000, others, stale=False)
        count += gate.standing.state is not before
    return count


def test_noise_about_a_limit_changes_a_gate_a_few_times_an_hour() -> None:
    """An hour in which the variance walks about 5 %, by a tenth of a percent within a second. By counts of
    evaluations alone a gate changes its state hundreds of times; the marks leave the one alarm."""
    some, hour = random.Random(20), 36_000
    apart, noise = 0.0, []
    for _ in range(hour):
        apart = 0.9 * apart + some.gauss(0, 435)
        noise.append(1_050_000 + round(apart))
    counted = recon_rule(LIMITS, clear_at=Fraction(1))
    rule = recon_rule(LIMITS, hold_us=600)
    assert transitions(counted, noise) > 100
    assert transitions(rule, noise) <= 2
