"""What a command shows, line by line, and how much of it a screen has room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple, TextIO, TypeVar

import click
from rich.cells import cell_len

from streams.cli.screen import Screen
from streams.plain_text import plain

T = TypeVar("T")


class Page(NamedTuple):
    """What is shown, line by line. The lines of a row belong together; others are above or below all rows."""

    above: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    below: Sequence[str] = ()

    def lines(self) -> list[str]:
        """All of it."""
        return [*self.above, *chain.from_iterable(self.rows), *self.below]

    def fitted(self, screen: Screen) -> list[str]:
        """As much as the screen has lines for: whole rows, and a line that says how many are below them."""
        if _tall(self.lines(), screen) <= screen.lines:
            return self.lines()
        around = [*self.above, *_more(len(self.rows), screen), *self.below]
        room = screen.lines - _tall(around, screen)
        count = len(_first(self.rows, room, lambda row: _tall(row, screen)))
        shown = [*chain.from_iterable(self.rows[:count])]
        if not count and self.rows:  # better some of a tall row than nothing
            shown = _first(self.rows[0], room, lambda line: _tall([line], screen))
        lines = [*self.above, *shown, *_more(len(self.rows) - count, screen), *self.below]
        return _first(lines, screen.lines, lambda line: _tall([line], screen))


def echo_page(page: Page, stream: TextIO | None = None) -> None:
    """Write it to a stream, which is that of its screen: standard output."""
    if lines := page.lines():
        click.echo("\n".join(lines), file=stream)


def prose(text: object, screen: Screen, style: str = "", *, first: str = "", indent: int = 0) -> list[str]:
    """A text to read, from line to line between two words. `first`: what its first line begins with in place
    of the indent."""
    pieces = wrapped(plain(text), screen.columns - indent)
    begins = [first or " " * indent, *([" " * indent] * (len(pieces) - 1))]
    return [begin + screen.styled(piece, style) for begin, piece in zip(begins, pieces, strict=True)]


def width(text: str) -> int:
    """How many columns a terminal gives to a text: two to a wide character, none to a combining one or to a
    style."""
    return cell_len(click.unstyle(text) if "\x1b" in text else text)


def wrapped(text: str, columns: int, at: str = " ") -> list[str]:
    """Its lines of at most so many columns, broken at these separators alone: a longer word stays whole."""
    lines: list[str] = []
    used = 0
    for word in text.split(at):
        more = width(word)
        if lines and used + len(at) + more <= columns:
            lines[-1] += at + word
            used += len(at) + more
        else:
            lines.append(word)
            used = more
    return lines


def _more(rows: int, screen: Screen) -> list[str]:
    return prose(f"… {rows:,} rows below: a taller terminal shows more", screen, "aside") if rows else []


def _tall(lines: Iterable[str], screen: Screen) -> int:
    """How many lines of the screen these take."""
    return sum(1 if width(line) <= screen.columns else _over(line, screen.columns) for line in lines)


def _over(line: str, columns: int) -> int:
    """The same of a line that runs over the edge, on which no wide character fits by half."""
    tall, used = 1, 0
    for character in click.unstyle(line):
        size = width(character)
        if used + size > columns:
            tall, used = tall + 1, 0
        used += size
    return tall


def _first(things: Sequence[T], room: int, tall: Callable[[T], int]) -> list[T]:
    """The first of them that there is room for, at least none."""
    for count, thing in enumerate(things):
        room -= tall(thing)
        if room < 0:
            return list(things[:count])
    return list(things)
