"""Amounts of money in the minor unit of their currency, exactly."""

from __future__ import annotations

import re
from decimal import Decimal

from schemas.currencies import decimals_of

_CURRENCY = re.compile(r"[A-Z]{3}")
_LARGEST_PLACE = 30


def is_currency(text: object) -> bool:
    """Whether it is written like one: three capitals."""
    return isinstance(text, str) and _CURRENCY.fullmatch(text) is not None


def to_minor(amount: Decimal, currency: str) -> int:
    """An amount in its currency's minor unit, exactly. Raises ValueError for more decimals than it has."""
    decimals = decimals_of(currency)
    if (
        not amount.is_finite()
        or abs(amount.adjusted()) > _LARGEST_PLACE
        or len(amount.as_tuple().digits) > 60
    ):
        raise ValueError("must be an amount of money")
    minor = amount.scaleb(decimals)
    if minor != minor.to_integral_value():
        raise ValueError(f"has more decimals than the {decimals} of its currency")
    return int(minor)
