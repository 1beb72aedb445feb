"""A pattern is said to cover another one only if it matches all that the other does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.compatibility.patterns import covers
from tests.support.examples import examples


@pytest.mark.parametrize(
    ("wide", "narrow", "does"),
    [
        ("^[A-Z]{3}$", "^[A-Z]{3}$", True),
        ("^[A-Z]{3,4}$", "^[A-Z]{3}$", True),
        ("^[A-Z]{3}$", "^[A-Z]{3,4}$", False),
        ("^[A-Z]{2,}$", "^[A-Z]{3}$", True),
        ("^[A-Z]+$", "^[A-Z]*$", False),
        ("^[A-Za-z_]+$", "^[A-Z]+$", True),
        ("^a[0-9]?$", "^a$", False),  # it does, but part by part that can't be shown
        ("^[a-z-]+$", "^-+$", True),
        ("^(a|b)$", "^a$", False),
        ("^[a-z]+$", "", False),
        ("[a-z]+", "^[a-z]+$", False),
    ],
)
def test_cases(wide: str, narrow: str, does: bool) -> None:
    assert covers(wide, narrow) is does


part = st.builds(
    lambda characters, times: characters + times,
    st.sampled_from(["[a-c]", "[a-z]", "[ab_]", "a", "-", "[A-Za-z0-9_.:-]"]),
    st.sampled_from(["", "?", "*", "+", "{2}", "{1,3}", "{2,}"]),
)
patterns = st.lists(part, min_size=1, max_size=3).map(lambda parts: f"^{''.join(parts)}$")


@examples(300)
@given(patterns, patterns, st.data())
def test_what_is_covered_is_matched(wide: str, narrow: str, data: st.DataObject) -> None:
    assert covers(wide, wide)
    if covers(wide, narrow):
        text = data.draw(st.from_regex(narrow, fullmatch=True))
        assert re.fullmatch(wide, text)
