"""What modules under tests import of each other: helpers lie in tests/support, and benchmarks stay alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.paths import ROOT, TESTS


def forbidden(path: str, text: str) -> Iterator[str]:
    """The imports of other tests' modules, and of benchmarks elsewhere than among them."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            of = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for name in (of + alias.name for alias in node.names):
                bench = name.startswith("tests.bench") and not path.startswith("tests/bench/")
                if bench or (name.startswith("tests.") and ".test_" in name):
                    yield f"{path}, line {node.lineno}: {name}"


def test_tests_import_what_is_there_for_them() -> None:
    for path in TESTS.rglob("*.py"):
        assert not [*forbidden(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))]


def test_an_import_of_another_test_or_of_a_benchmark_is_found() -> None:
    lines = ["from tests.unit.test_a import b", "from tests.unit import test_a", "import tests.unit.test_a"]
    lines += ["from tests.bench.load import load", "from tests import bench"]
    assert len([*forbidden("tests/unit/test_b.py", "\n".join(lines))]) == len(lines)
    assert not [*forbidden("tests/bench/backfill.py", "\n".join(lines[3:]))]
