"""Where a command's answer is shown: a terminal of some size, or a pipe, where nothing has to fit.

NO_COLOR, TERM, COLUMNS and LINES are those of every program of a terminal and no settings of Sluice, so they
are read here.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple, TextIO

import click

UNBOUNDED = 1_000_000_000
"""The columns and lines of a pipe."""
USUAL = os.terminal_size((80, 24))
"""Of a terminal that does not know its size."""
STYLES: dict[str, dict[str, Any]] = {
    "heading": {"fg": "cyan", "bold": True},
    "name": {"bold": True},
    "aside": {"dim": True},
    "good": {"fg": "green"},
    "note": {"fg": "yellow"},
    "bad": {"fg": "red"},
    "alarm": {"fg": "red", "bold": True},
}


class Screen(NamedTuple):
    """`columns`, `lines`: its size in characters of ordinary width. `colour`: whether styles are shown."""

    columns: int = UNBOUNDED
    lines: int = UNBOUNDED
    colour: bool = False

    def styled(self, text: str, style: str) -> str:
        """The text in one of `STYLES`; "": as it is."""
        return click.style(text, **STYLES[style]) if self.colour and style and text else text


PIPE = Screen()


def screen_of(stream: TextIO | None = None, *, at_most: bool = False) -> Screen:
    """The terminal that a stream (standard output) is, as large as it is now; `PIPE` if it is none.

    The environment may call it smaller or larger than it is; `at_most`: not larger, as what is drawn would
    scroll.
    """
    stream = stream or sys.stdout
    if not stream.isatty():
        return PIPE
    size = _size(stream)
    columns, lines = _given("COLUMNS") or size.columns, _given("LINES") or size.lines
    if at_most:
        columns, lines = min(columns, size.columns), min(lines, size.lines)
    return Screen(columns, lines, colour=not os.environ.get("NO_COLOR") and can_draw(stream))


def can_draw(stream: TextIO) -> bool:
    """Whether what was written to a stream can be drawn over."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def _size(stream: TextIO) -> os.terminal_size:
    try:
        size = os.get_terminal_size(stream.fileno())
    except OSError:
        return USUAL
    return os.terminal_size((size.columns or USUAL.columns, size.lines or USUAL.lines))


def _given(variable: str) -> int:
    """A size by the environment; 0: it says nothing that is one."""
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
