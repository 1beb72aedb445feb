"""The house rules that a program can check: import arrows, size of modules, who reads the environment."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT, told

PACKAGES = ("schemas", "tables", "agents", "streams")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_LINES = 350


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_import_arrows_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


def misshapen(text: str) -> Iterator[str]:
    """What is wrong with a module as a whole."""
    if len(text.splitlines()) >= MAX_LINES:
        yield "split it by its reasons to change"
    if not ast.get_docstring(ast.parse(text)):
        yield "a module starts with what it is for"


def test_a_module_is_small_and_says_what_it_is() -> None:
    assert told(MODULES, misshapen) == {}


def reads_environment(tree: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os" and names & {a.name for a in node.names}:
            return True
    return False


def test_only_settings_reads_the_environment_but_for_what_terminals_say() -> None:
    readers = {name_of(path) for path in MODULES if reads_environment(ast.parse(path.read_text("utf-8")))}
    assert readers == {"streams/settings.py", "streams/cli/screen.py"}
