"""Why a gate is in its state, in words."""

from __future__ import annotations

import pytest

from tables.gates.reasons import reason
from tables.gates.rule import Figures, GateState, Standing, judge, step
from tests.support.recon_figures import WORDS, figures, rule

RULE = rule(hold_us=60_000_000)
MINUTE = 60_000_000


def after(*seen: Figures) -> str:
    """What is said after these evaluations in a row."""
    standing = Standing()
    for one in seen:
        standing = step(standing, judge(one, RULE), RULE, MINUTE)
    return reason(standing, seen[-1], WORDS, RULE, stale=None, state_us=MINUTE)


GOOD, WARNS, BAD = figures(100_000, 99_000), figures(100_000, 103_000), figures(100_000, 120_000)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([GOOD], "variance is 1% of charges, not above 2%"),
        ([WARNS] * 3, "variance is 3% of charges, above 2%, and not above 5%"),
        ([BAD] * 3, "variance is 20% of charges, above 5%"),
        ([figures(10**9, 10**9 + 50_000_001)] * 3, "variance is 5% of charges, above 5%"),
        ([figures(10**7, 10**7 + 500_100)] * 3, "variance is 5.001% of charges, above 5%"),
        ([figures(0, 20_000)] * 3, "no charges, against payouts + refunds + fees of 20,000"),
        (
            [figures(0, 0)],
            "under the minimum: charges and payouts + refunds + fees are both under 10,000: the gate holds",
        ),
        (
            [BAD] * 3 + [figures(9_999, 0)],
            "under the minimum: charges and payouts + refunds + fees are both under 10,000: the gate holds",
        ),
        ([GOOD, BAD], "variance is 20% of charges, above 5%; alarm after 3 evaluations in a row, 1 so far"),
        ([WARNS, BAD], "variance is 20% of charges, above 5%; alarm after 3 evaluations in a row, 1 so far"),
        (
            [*[BAD] * 3, *[GOOD] * 4],
            "variance is 1% of charges, not above 2%; ok after 10 evaluations in a row, 4 so far",
        ),
        ([*[BAD] * 3, *[GOOD] * 10], "variance is 1% of charges, not above 2%"),
        (
            [*[BAD] * 3, figures(100_000, 104_500)],
            "variance is 4.5% of charges, above 2%, and not above 5%; alarm until it is not above 4%",
        ),
        (
            [*[WARNS] * 3, figures(100_000, 101_700)],
            "variance is 1.7% of charges, not above 2%; warn until it is not above 1.6%",
        ),
    ],
)
def test_it_says_what_was_found_and_what_it_takes(seen: list[Figures], said: str) -> None:
    assert after(*seen) == said


def test_what_is_stale_says_why() -> None:
    assert reason(
        Standing(), GOOD, WORDS, RULE, stale="events.raw-3: no worker has reported", state_us=0
    ) == ("events.raw-3: no worker has reported")


def test_what_is_held_says_for_how_long() -> None:
    standing = step(Standing(GateState.ALARM), judge(GOOD, RULE), RULE, MINUTE - 1)
    assert reason(standing, GOOD, WORDS, RULE, stale=None, state_us=MINUTE - 1) == (
        "variance is 1% of charges, not above 2%; ok after 10 evaluations in a row, 1 so far,"
        " and 60 s of alarm"
    )
