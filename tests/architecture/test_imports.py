"""What modules under tests import of each other: helpers lie in tests/support, and benchmarks stay alone.

Tests of the benchmarks lie in folders named bench, and the peers' programs import none of our code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.paths import TESTS, told

CONTESTANTS = "tests.bench.peers.contestants"


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
    benchmarks = {file for file in TESTS.rglob("*.py") if "bench" in file.relative_to(TESTS).parts}
    assert told({*TESTS.rglob("*.py")} - benchmarks, forbidden) == {}
    assert told(benchmarks, lambda text: forbidden(text, bench=True)) == {}


def ours(text: str) -> Iterator[str]:
    """The imports of the project's code: all but those of the contestants' own modules."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or "."] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            yield from (
                f"line {node.lineno}: {name}"
                for name in names
                if name.partition(".")[0] in {"schemas", "tables", "agents", "streams", "tests", ""}
                and not name.startswith(f"{CONTESTANTS}.")
            )


def test_the_peers_contain_none_of_our_code() -> None:
    files = [*(TESTS / "bench/peers/contestants").rglob("*.py")]
    assert len(files) > 5
    assert told(files, ours) == {}


def test_an_import_of_our_code_is_found() -> None:
    lines = ["import schemas.times", "from tables import codec", "from streams.settings import Settings"]
    lines += ["import agents", "from tests.bench.load import load", "from . import judging"]
    assert len([*ours("\n".join(lines))]) == len(lines)
    assert [*ours(f"from {CONTESTANTS}.judging import judge_of\nimport msgspec")] == []


def test_an_import_of_another_test_or_of_a_benchmark_is_found() -> None:
    lines = ["from tests.unit.test_a import b", "from tests.unit import test_a", "import tests.unit.test_a"]
    lines += ["from tests.bench.load import load", "from tests import bench"]
    assert len([*forbidden("\n".join(lines))]) == len(lines)
    assert len([*forbidden("\n".join(lines), bench=True)]) == 3
