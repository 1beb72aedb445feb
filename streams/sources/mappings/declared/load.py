"""Mapping files: read and checked as a whole before anything is mapped, and then a mapping like any other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.validation.validator import Validator
from streams.sources.mappings.csv_rows import Delimiter
from streams.sources.mappings.declared import block as blocks
from streams.sources.mappings.declared.block import Block
from streams.sources.mappings.declared.examples import FileExample, example, wrong
from streams.sources.mappings.declared.nodes import (
    Entry,
    MappingFileError,
    Node,
    Problems,
    composed,
    elements,
    known_entries,
    text_of,
)
from streams.sources.mappings.mapping import (
    Outcome,
    StopError,
    items_of,
    mapped,
    not_for_us,
    parsed_object,
)

__all__ = ["MappingFile", "MappingFileError", "load"]

FILE_KEYS = ("name", "input", "delimiter", "examples", "events")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
INPUTS = ("json", "csv")


class MappingFile:
    """A `Mapping` that somebody declared. `delimiter`: it reads CSV; None: it reads JSON."""

    def __init__(
        self, path: Path, name: str, events: Sequence[Block], delimiter: Delimiter | None,
        examples: Sequence[FileExample],
    ) -> None:  # fmt: skip
        self.name = name
        self.delimiter = delimiter
        self.examples = examples
        self._path = path
        self._events = events

    def values(self, value: bytes) -> Sequence[bytes]:
        """The object, or those of an array."""
        items = items_of(value) if value.lstrip()[:1] == b"[" else None
        return (value,) if items is None else items

    def outcome(self, value: bytes) -> Outcome:
        """What an object is: the events whose `where` is true of it. Never raises."""
        try:
            found = parsed_object(value)
            meant = [one for one in self._events if one.is_meant(found)]
            if not meant:
                raise not_for_us("where", "no where is true of it")
            return mapped(one.made_of(found) for one in meant)
        except StopError as stop:
            return stop.outcome

    def wrong_examples(self, validator: Validator) -> list[str]:
        """The examples that are mapped to something else than they say: a line each, with its place."""
        found = ((one, wrong(one, self, validator)) for one in self.examples)
        return [f"{self._path}, line {one.line}: {problem}" for one, problem in found if problem]


def load(path: Path) -> MappingFile:
    """Read and check a mapping file. Raises `MappingFileError`, with all that is wrong in it."""
    problems = Problems(path)
    node = composed(path, problems)
    has_several = any(key.value == "events" for key, _ in node.value)
    known = FILE_KEYS if has_several else (*FILE_KEYS, *blocks.KEYS)
    found = known_entries(node, known, problems, "the file" if has_several else "a mapping")
    name = _name(found, path, problems)
    made = _events(found, node, name, problems)
    delimiter = _delimiter(found, problems)
    examples = _examples(found, problems)
    problems.raise_any()
    return MappingFile(path, name, [one for one in made if one is not None], delimiter, examples)


def _events(found: Mapping[str, Entry], node: Node, name: str, problems: Problems) -> list[Block | None]:
    if "events" not in found:
        return [blocks.block(found, node, name, problems)]
    return [
        blocks.block(known_entries(one, blocks.KEYS, problems, "an event"), one, name, problems)
        for one in elements(found["events"].value, problems, "events")
    ]


def _name(found: Mapping[str, Entry], path: Path, problems: Problems) -> str:
    """What the file says, or is called."""
    if "name" not in found:
        return re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem)[:64].strip("-") or "map"
    name = text_of(found["name"].value, problems, "name") or "map"
    if not _NAME.fullmatch(name):
        problems.add(found["name"].value, "name must be of A-Z a-z 0-9 _ -, up to 64")
    return name


def _delimiter(found: Mapping[str, Entry], problems: Problems) -> Delimiter | None:
    reads = text_of(found["input"].value, problems, "input") if "input" in found else "json"
    if reads not in INPUTS:
        problems.add(found["input"].value, f"input must be one of {', '.join(INPUTS)}")
    if "delimiter" not in found:
        return Delimiter() if reads == "csv" else None
    node: Any = found["delimiter"].value
    if reads != "csv":
        problems.add(found["delimiter"].key, "delimiter is for input: csv")
    character = {"tab": "\t"}.get(str(node.value), node.value)
    if not isinstance(character, str) or len(character) != 1 or character in '"\r\n':
        problems.add(node, "delimiter must be one character, or tab")
    return Delimiter(character)


def _examples(found: Mapping[str, Entry], problems: Problems) -> list[FileExample]:
    if "examples" not in found:
        return []
    made = [example(one, problems) for one in elements(found["examples"].value, problems, "examples")]
    return [one for one in made if one is not None]
