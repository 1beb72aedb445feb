r"""Tab-separated values for programs: what the command answers in JSON, a row a line, below a line of names.

Numbers are as in JSON, null is empty, and a list of names has commas. In a text a backslash is `\\`, and what
does not print an escape: `\t`, `\n`, `\x1b`, `\u202e`. So a line is a row and a tab ends a value, whatever
records hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from streams.plain_text import json_text, plain


def echo_tsv(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write these members of the rows to standard output."""
    click.echo("\n".join(_lines(names, rows)))


def _lines(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield "\t".join(map(_value, names))
    for row in rows:
        yield "\t".join(_value(row.get(name)) for name in names)


def _value(value: Any) -> str:
    match value:
        case None:
            text = ""
        case str():
            text = value
        case list() | tuple():
            text = ",".join(map(str, value))
        case _:
            text = json_text(value)
    return plain(text.replace("\\", "\\\\"))
