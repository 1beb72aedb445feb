"""Tests that are tried again with other values, in `make chaos`."""

from __future__ import annotations

from typing import Any

import pytest


def repeats(first: Any, *others: Any) -> list[Any]:
    """Values of a parameter of which the suite tries the first, and `make chaos` all."""
    return [first, *(pytest.param(*_values(other), marks=pytest.mark.long) for other in others)]


def _values(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
