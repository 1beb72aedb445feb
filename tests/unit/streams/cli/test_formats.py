"""Numbers as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from streams.cli.formats import age, cell, heading, money


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1_066_668_454, "GBP", "10,666,684.54"),
        (5, "EUR", "0.05"),
        (-123456, "USD", "-1,234.56"),
        (1234567, "JPY", "1,234,567"),
        (1234567, "KWD", "1,234.567"),
        (12345, "CLF", "1.2345"),
        (100, None, "1.00"),
        (2**80, "GBP", "12,089,258,196,146,291,747,061.76"),
    ],
)
def test_money_has_its_currencys_decimals(minor: int, currency: str | None, text: str) -> None:
    assert money(minor, currency) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"), (0.34, "0.3 s"), (59.4, "59 s"), (60, "1 min"), (3599, "59 min 59 s"), (3600, "1 h"),
        (93784, "26 h 3 min"), (172800, "2 d"), (180000, "2 d 2 h"), (-90, "-1 min 30 s"),
    ],
)  # fmt: skip
def test_ages_are_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("variance_ratio", 0.0512, "5.12%"), ("ctr", 1.0, "100.00%"), ("take_rate", None, "-"),
        ("bookings", 19960, "19,960"), ("gmv_minor", 12345, "123.45"), ("booking_minor_p50", 9, "0.09"),
        ("oldest_seconds", 61, "1 min 1 s"),
        ("city", "london", "london"), ("city", None, "-"), ("valid", True, "yes"),
        ("mean_y", 0.12345, "0.1235"), ("mean_y", 999.96, "1,000"), ("var_y", 1234567.8, "1,234,568"),
        ("t", "2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05"),
        ("due_at", "2026-01-02T05:04:05+02:00", "2026-01-02 03:04:05"),
    ],
)  # fmt: skip
def test_a_value_is_written_by_its_columns_name(name: str, value: Any, text: str) -> None:
    assert cell(name, value, "GBP") == text


def test_a_heading_leaves_the_unit_to_the_values() -> None:
    assert [heading(name) for name in ("gmv_minor", "booking_minor_p95", "oldest_seconds", "take_rate")] == [
        "gmv",
        "booking p95",
        "oldest",
        "take rate",
    ]
