"""The runbooks as tests see them: pages with their commands, and the tests that rehearse them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

FOLDER = ROOT / "docs/runbooks"
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+# exits with (\d)\b.*")
_REHEARSED = re.compile(r"^<!-- Rehearsed by (\S+)::(\w+) -->$", re.MULTILINE)
_INLINE = re.compile(r"`(sluice [^`]*)`")
_PLACEHOLDER = re.compile(r"<([a-z ]+)>")
PARSED_ALONE: dict[str, set[tuple[str, ...]]] = {
    "kubectl": {("get", "pods"), ("logs",), ("rollout", "restart"), ("rollout", "status")},
    "docker": {("compose", "ps"), ("compose", "logs"), ("compose", "up")},
    "aws": {
        ("athena", "list-query-executions"),
        ("athena", "get-query-execution"),
        ("athena", "stop-query-execution"),
    },
}
"""Programs of a deployment that is not here, and what of them a page may name."""


class Command(NamedTuple):
    """A line of a page's blocks, and its exit code where nothing is wrong."""

    page: str
    line: str
    exits: int

    @property
    def program(self) -> str:
        """The first program of the line."""
        return shlex.split(self.line)[0].partition("=")[0]

    def filled(self, values: dict[str, str]) -> str:
        """The line with what its placeholders stand for. Raises `KeyError` for one that nobody knows."""
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self.line)


def pages() -> list[Path]:
    """All of them, the index apart."""
    return sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")


def commands(page: Path) -> Iterator[Command]:
    """Those in a page's blocks."""
    for block in _BLOCK.finditer(page.read_text("utf-8")):
        for line in block[2].splitlines():
            found = _EXIT.search(line)
            yield Command(page.stem, _EXIT.sub("", line).strip(), int(found[1]) if found else 0)


def inline_commands(text: str) -> Iterator[str]:
    """What the prose names of `sluice`."""
    for found in _INLINE.finditer(text):
        yield " ".join(found[1].split())


def rehearsals(page: Path) -> list[tuple[Path, str]]:
    """The tests that rehearse a page: their files and names."""
    return [(ROOT / path, test) for path, test in _REHEARSED.findall(page.read_text("utf-8"))]
