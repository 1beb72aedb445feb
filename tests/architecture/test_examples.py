"""`make test` tries the same examples each time, and nothing keeps `make chaos` from trying many."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hypothesis import settings

from tests.support.examples import examples
from tests.support.paths import TESTS, told


def own_settings(text: str) -> Iterator[str]:
    """Settings of a property's own, which would defeat the profile."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("settings", "hypothesis.settings"):
            yield f"line {node.lineno}: take tests.support.examples.examples instead of settings"


def test_properties_leave_it_to_the_profile_how_often_they_are_tried() -> None:
    files = (path for path in TESTS.rglob("*.py") if path.name != "examples.py")
    assert told(files, own_settings) == {}


def test_settings_of_its_own_are_found() -> None:
    assert len(list(own_settings("@settings(max_examples=5)\ndef test(): pass"))) == 1


def test_the_profile_decides_how_often_a_property_is_tried() -> None:
    before = settings.get_current_profile_name()
    try:
        settings.load_profile("chaos")
        assert (examples(3).max_examples, examples(3, chaos=50).max_examples) == (20_000, 50)
        settings.load_profile("suite")
        assert (examples(3).max_examples, examples(3, chaos=50).max_examples) == (3, 3)
    finally:
        settings.load_profile(before)
