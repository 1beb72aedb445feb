"""Where the project lies, and what checks of its files find."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"


def told(paths: Iterable[Path], problems: Callable[[str], Iterator[str]]) -> dict[str, list[str]]:
    """What `problems` finds in the text of each file that has any, by its name in the project."""
    found = {str(path.relative_to(ROOT)): [*problems(path.read_text(encoding="utf-8"))] for path in paths}
    return {name: lines for name, lines in found.items() if lines}
