"""How many decimals amounts have: those of ISO 4217, not those that are usual in shops."""

from __future__ import annotations

import pytest

from schemas.currencies import decimals_of


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [
        ("GBP", 2), ("HUF", 2), ("IDR", 2), ("COP", 2), ("RSD", 2), ("JPY", 0), ("ISK", 0), ("IQD", 3),
        ("KWD", 3), ("CLF", 4), ("ABC", 2), (None, 2),
    ],
)  # fmt: skip
def test_decimals_are_those_of_the_standard(currency: str | None, decimals: int) -> None:
    assert decimals_of(currency) == decimals
