"""Text that somebody else wrote, made fit for a terminal, a table or a log.

Ids, header values, topic names, error texts and variables may hold anything: escape sequences that recolour
or rename a terminal, line ends that forge a log line, marks that turn the direction of writing. Here they
become visible escapes, as Python's `repr` has them. This is the one place that decides what is shown as it
is.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any

_OTHER = re.compile(r"[^ -~]")


def plain(text: object) -> str:
    r"""One line of the text with what does not print as escapes: a line end is `\n`, an escape `\x1b`."""
    shown = str(text)
    return shown if shown.isprintable() else _OTHER.sub(_escaped, shown)


def plain_lines(text: object) -> str:
    """The same for a text that may have several lines: their ends stay."""
    return "\n".join(map(plain, str(text).split("\n")))


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() else repr(character)[1:-1]


def json_text(document: Any, *, indent: int | None = None) -> str:
    r"""A JSON document whose strings have as `\u…` what does not print. Read again, it is the same."""
    written = json.dumps(document, ensure_ascii=False, indent=indent)
    return written if written.isprintable() else json_escaped(written)


def json_escaped(written: str) -> str:
    r"""JSON text with as `\u…` what does not print, but for the line ends between its members."""
    return _OTHER.sub(_as_json, written)


def _as_json(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() or character == "\n":  # in strings JSON has escaped it already
        return character
    return json.dumps(character)[1:-1]


class PlainFormatter(logging.Formatter):
    """Log lines for people: each message is one line; a traceback keeps its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        shown = logging.makeLogRecord(record.__dict__)
        shown.msg, shown.args = plain(record.getMessage()), ()
        return plain_lines(super().format(shown))
