"""What the recon gate is evaluated from, made of two amounts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tables.gates.declared import RECON
from tables.gates.figures import Row
from tables.gates.reasons import Words
from tables.gates.rule import Figure, Figures, Limits, Rule
from tables.spec.measures import Unit

LIMITS = Limits(Fraction("0.02"), Fraction("0.05"))
MINIMUM = 10_000
WORDS = (Words(RECON.watches[0], Unit.RATIO),)


def figures(charges: int, others: int) -> Figures:
    """As the view's row of charges, and payouts + refunds + fees, makes them."""
    apart = abs(charges - others)
    return (Figure(apart, charges, apart / charges if charges else None, max(charges, others)),)


def row(charges: int, others: int) -> Row:
    """The same with what a record has of it."""
    made = figures(charges, others)
    assert made[0] is not None
    seen = {
        "charges_minor": charges,
        "variance_minor": charges - others,
        "variance_ratio": made[0].value,
    }
    return Row(made, seen)


def rule(limits: Limits = LIMITS, **changes: Any) -> Rule:
    """One with the defaults of the settings, but for how long it holds a state."""
    given = {
        "minimum": MINIMUM, "clear_at": Fraction("0.8"), "raise_after": 3, "clear_after": 10, "hold_us": 0,
    }  # fmt: skip
    return Rule.of([limits], **{**given, **changes})
