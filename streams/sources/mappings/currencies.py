"""Minor units of currencies: how many decimals an amount has (ISO 4217)."""

from __future__ import annotations

import re
from decimal import Decimal

ZERO_DECIMALS = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
THREE_DECIMALS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())  # noqa: SIM905
FOUR_DECIMALS = frozenset(("CLF", "UYW"))

_CURRENCY = re.compile(r"[A-Z]{3}")
_LARGEST_PLACE = 30


def decimals_of(currency: str) -> int:
    """How many decimals an amount of this currency has; two where it is not known to have others."""
    if currency in ZERO_DECIMALS:
        return 0
    if currency in THREE_DECIMALS:
        return 3
    return 4 if currency in FOUR_DECIMALS else 2


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
