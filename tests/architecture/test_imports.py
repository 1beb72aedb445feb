"""What modules under tests import of each other: helpers lie in tests/support, and benchmarks stay alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.paths import TESTS, told


def forbidden(text: str, *, bench: bool = False) -> Iterator[str]:
    """The imports of other tests' modules, and but for benchmarks' own, of benchmarks."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            of = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for name in (of + alias.name for alias in node.names):
                of_test = name.startswith("tests.") and ".test_" in name
                if of_test or (name.startswith("tests.bench") and not bench):
                    yield f"line {node.lineno}: {name}"


def test_tests_import_what_is_there_for_them() -> None:
    benchmarks = {*(TESTS / "bench").rglob("*.py")}
    assert told({*TESTS.rglob("*.py")} - benchmarks, forbidden) == {}
    assert told(benchmarks, lambda text: forbidden(text, bench=True)) == {}


def test_an_import_of_another_test_or_of_a_benchmark_is_found() -> None:
    lines = ["from tests.unit.test_a import b", "from tests.unit import test_a", "import tests.unit.test_a"]
    lines += ["from tests.bench.load import load", "from tests import bench"]
    assert len([*forbidden("\n".join(lines))]) == len(lines)
    assert len([*forbidden("\n".join(lines), bench=True)]) == 3
