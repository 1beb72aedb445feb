"""YAML with the place of everything in it, and the problems found there, each with its line and column.

No tags, anchors or aliases: a mapping file is plain, and what is small stays small.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from streams.text_file import TextFileError, small_text

_PREFIX = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_FRACTION = re.compile(r"-?[0-9]{1,19}\.[0-9]{1,19}")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}

Node = Any
"""One of PyYAML's nodes, which has no types of its own."""


class MappingFileError(ValueError):
    """A mapping file is wrong. `str(error)` has a line for each problem: file, line, column, what and how to
    mend it."""


class Entry(NamedTuple):
    """A member of a mapping: its name, and where name and value are."""

    name: str
    key: Node
    value: Node


class Problems:
    """The problems of a file, in the order of their lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[tuple[int, int, str]] = []

    def add(self, node: Node, text: str, offset: int = 0) -> None:
        """A problem at a node, or so many characters into it if it is a text on one line."""
        mark = node.start_mark
        on_one_line = isinstance(node, yaml.ScalarNode) and mark.line == node.end_mark.line
        quote = on_one_line and isinstance(node, yaml.ScalarNode) and node.style in ("'", '"')
        self.at(
            mark.line + 1, mark.column + 1 + (offset + bool(quote) if offset and on_one_line else 0), text
        )

    def at(self, line: int, column: int, text: str) -> None:
        """A problem at a place, counted from 1."""
        self._found.append((line, column, text))

    def raise_any(self) -> None:
        """Raises `MappingFileError` if there is one."""
        if self._found:
            lines = [
                f"{self._path}, line {line}, column {column}: {text}"
                for line, column, text in sorted(self._found)
            ]
            raise MappingFileError("\n".join(lines))


def composed(path: Path, problems: Problems) -> yaml.MappingNode:
    """The file's mapping. Raises `MappingFileError`."""
    text = _read(path)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            _check_plain(event, problems)
        problems.raise_any()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "is no YAML"
        problems.at(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, f"is no YAML: {said}")
    except (yaml.YAMLError, RecursionError) as error:
        problems.at(1, 1, f"is no YAML: {' '.join(str(error).split()) or type(error).__name__}")
    else:
        if isinstance(node, yaml.MappingNode):
            return node
        problems.at(1, 1, "must be a mapping, with event, event_id, occurred_at and payload")
    problems.raise_any()
    raise AssertionError("a problem was told")


def _read(path: Path) -> str:
    try:
        return small_text(path, ": it is no mapping file")
    except TextFileError as error:
        raise MappingFileError(str(error)) from None


def _check_plain(event: Any, problems: Problems) -> None:
    mark = event.start_mark
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        problems.at(mark.line + 1, mark.column + 1, "anchors and aliases are not taken here: write it out")
    tag = getattr(event, "tag", None)
    if tag is not None:
        problems.at(mark.line + 1, mark.column + 1, "tags are not taken here: leave it out")


def entries(node: Node, problems: Problems, what: str) -> list[Entry]:
    """The members of a mapping, none twice; none if it is no mapping, which is a problem."""
    if not isinstance(node, yaml.MappingNode):
        problems.add(node, f"{what} must be a mapping")
        return []
    found: dict[str, Entry] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            problems.add(key, f"{what}: a name must be text")
        elif key.value in found:
            problems.add(key, f"{key.value} is there twice")
        else:
            found[key.value] = Entry(key.value, key, value)
    return list(found.values())


def known_entries(node: Node, known: Collection[str], problems: Problems, what: str) -> dict[str, Entry]:
    """The same by their names; one that is not known is a problem."""
    found = {}
    for entry in entries(node, problems, what):
        if entry.name in known:
            found[entry.name] = entry
        else:
            problems.add(entry.key, f"{what} has no {entry.name}{hint(entry.name, known)}")
    return found


def elements(node: Node, problems: Problems, what: str) -> list[Node]:
    """The elements of a list; none if it is no list, or an empty one, which is a problem."""
    if isinstance(node, yaml.SequenceNode) and node.value:
        return list(node.value)
    problems.add(node, f"{what} must be a list, with one element at least")
    return []


def text_of(node: Node, problems: Problems, what: str) -> str | None:
    """A scalar's text; None if it is none, which is a problem."""
    if isinstance(node, yaml.ScalarNode) and node.value.strip():
        return str(node.value)
    problems.add(node, f"{what} must be text")
    return None


def plain_value(node: Node) -> Any:
    """What a node says: texts, whole numbers, fractions as `Decimal`, true, false, null, lists and mappings.

    Only these words are no texts: `no`, `on`, a date and the like are what they look like.
    """
    if isinstance(node, yaml.SequenceNode):
        return [plain_value(one) for one in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): plain_value(value) for key, value in node.value}
    text = str(node.value)
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return Decimal(text) if _FRACTION.fullmatch(text) else text


def hint(name: str, known: Collection[str]) -> str:
    """`: did you mean …?`, or what there is."""
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    if near:
        return f": did you mean {near[0]}?"
    listed = sorted(known)
    return f": there is {', '.join(listed[:12])}" + (
        f" and {len(listed) - 12} more" if len(listed) > 12 else ""
    )


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    yield node
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            yield from walk(one)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from walk(value)
