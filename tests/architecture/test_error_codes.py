"""What docs/reference/errors.md says of who raises a code is what the code does."""

from __future__ import annotations

import ast

from schemas.validation.reasons import Code
from streams.errors import ErrorCode
from tests.support.paths import ROOT


def named() -> set[str]:
    """The codes that some module names as `ErrorCode.…`."""
    found = set()
    for path in (ROOT / "streams").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ErrorCode":
                found.add(node.attr)
    return found & set(ErrorCode.__members__)


def test_a_code_is_raised_where_that_is_said_and_only_there() -> None:
    verdicts = {str(code) for code in Code}
    assert named() | verdicts == {code.name for code in ErrorCode if code.raised_by}
