"""No wait for a program is without a bound: one that hangs fails its test, and never the suite."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.support.paths import TESTS, told

RUNS = {"run", "call", "check_call", "check_output"}
WAITS = {"wait", "communicate"}
"""Of a program: an argument, by name or place, is the bound. (Of an event, pytest's own bound ends it.)"""
PROGRAMS = ("process", "program", "popen", "running", "started", "watching", "replaying")


def unbounded(text: str) -> Iterator[str]:
    """Calls that may wait for ever for a program."""
    tree = ast.parse(text)
    bounded = {
        id(call.args[0])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and call.args and ast.unparse(call.func) == "asyncio.wait_for"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if ast.unparse(item.context_expr).startswith(("subprocess.Popen(", "Popen(")):
                    yield f"line {node.lineno}: Popen as a context manager: take support.programs.started"
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of, name = ast.unparse(node.func.value), node.func.attr
        if of == "subprocess" and name in RUNS and "timeout" not in {word.arg for word in node.keywords}:
            yield f"line {node.lineno}: subprocess.{name} without a timeout"
        given = node.args or node.keywords or id(node) in bounded
        if name in WAITS and not given and of.lower().endswith(PROGRAMS):
            yield f"line {node.lineno}: {of}.{name}() without a timeout"


def test_every_wait_for_a_program_has_a_bound() -> None:
    assert told(TESTS.rglob("*.py"), unbounded) == {}


@pytest.mark.parametrize("text", [
    "subprocess.run(['x'], check=True)",
    "with subprocess.Popen(['x']) as program: pass",
    "self._process.wait()",
    "program.communicate()",
])  # fmt: skip
def test_one_without_a_bound_is_found(text: str) -> None:
    assert len(list(unbounded(text))) == 1
