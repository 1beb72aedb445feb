"""The rule against a plain re-implementation from the words of docs/contract.md §3."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tables.gates.rule import Figures, GateState, Rule, Standing, level, step
from tests.support.examples import examples

ORDER = ["ok", "warn", "alarm", "stale"]


class Plain:
    """Keeps every evaluation there ever was, and counts back from the last."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.state = "ok"
        self.before_stale = "ok"
        self.evaluations: list[str] = []

    def evaluate(self, charges: int, others: int, *, stale: bool) -> str:
        found = "stale" if stale else self.judge(charges, others)
        self.evaluations.append(found)
        if found == "stale":
            if self.state != "stale":
                self.before_stale = self.state
            self.state = "stale"
        elif (worse := self.in_a_row(self.rule.raise_after, min)) is not None and self.is_worse(worse):
            self.state = worse
        elif (better := self.in_a_row(self.rule.clear_after, max)) is not None and self.is_better(better):
            self.state = better
        return self.state

    def judge(self, charges: int, others: int) -> str:
        least = self.rule.min_minor
        if charges < least and others < least:
            return self.before_stale if self.state == "stale" else self.state
        if charges == 0:
            return "alarm"
        ratio = Fraction(abs(charges - others), charges)
        if ratio > self.rule.alarm:
            return "alarm"
        return "warn" if ratio > self.rule.warn else "ok"

    def in_a_row(self, count: int, which: object) -> str | None:
        """What the last so many evaluations have in common: all at least (min) or at most (max) this."""
        if len(self.evaluations) < count:
            return None
        ranks = [ORDER.index(one) for one in self.evaluations[-count:]]
        return ORDER[min(ranks) if which is min else max(ranks)]

    def is_worse(self, state: str) -> bool:
        return ORDER.index(state) > ORDER.index(self.state)

    def is_better(self, state: str) -> bool:
        return ORDER.index(state) < ORDER.index(self.state)


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
    lambda one, other, least, up, down: Rule(min(one, other), max(one, other), least, up, down),
    percent, percent, st.integers(1, 50), st.integers(1, 4), st.integers(1, 6),
)  # fmt: skip


@examples(400)
@given(rules, evaluations)
def test_the_rule_is_what_the_words_say(rule: Rule, given_: list[tuple[int, int, bool, int]]) -> None:
    plain, standing = Plain(rule), Standing()
    for charges, others, stale, times in given_:
        for _ in range(times):
            found = GateState.STALE if stale else level(Figures(charges, others), rule)
            before, standing = standing, step(standing, found, rule)
            assert standing.state == plain.evaluate(charges, others, stale=stale)
            assert standing.state.open is (standing.state in ("ok", "warn"))
            if stale:
                assert not standing.state.open
            if standing.state is not before.state:
                assert standing.previous is before.state


@given(rules, evaluations)
def test_a_gate_opens_only_after_so_many_evaluations_that_say_so(
    rule: Rule, given_: list[tuple[int, int, bool, int]]
) -> None:
    """Whatever came before: nothing opens a closed gate but `clear_after` evaluations that close nothing."""
    standing, quiet = Standing(), 0
    for charges, others, stale, times in given_:
        for _ in range(times):
            found = GateState.STALE if stale else level(Figures(charges, others), rule)
            judged = standing.held if found is None else found
            quiet = quiet + 1 if judged.open else 0
            was_closed, standing = not standing.state.open, step(standing, found, rule)
            if was_closed and standing.state.open:
                assert quiet >= rule.clear_after
