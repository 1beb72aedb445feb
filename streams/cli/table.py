"""Tables for people: on a terminal of any width, and in a pipe. No number and no id is ever cut.

How rows are shown follows from the screen's width alone:
1. All columns fit, with texts and headings going on in the next line between two words: a table.
2. Else a table without some of the columns that its caller calls the least needed, as few of them as need be,
   and a line below names them and says how to see them.
3. Else each row is a block of lines `heading  value`, with all columns.

An id or a number is always in one piece on one line. What is wider than the terminal itself runs over its
edge, where the terminal goes on below and copies it whole. In a pipe everything fits: a row is a line with
all columns, `-` where there is nothing, and two blanks or more between them. Programs take `--tsv` or
`--json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from streams.cli.formats import MISSING
from streams.cli.page import Page, prose, width, wrapped
from streams.cli.screen import Screen
from streams.plain_text import plain

GAP = "  "
TEXT_COLUMNS = 30
"""A text that has to go on in the next line gets at least so many columns: else it would be tall and thin."""


class Kind(Enum):
    """What the cells of a column are."""

    ID = "id"  # in one piece, adjusted to the left: an id, a name, a time
    NUMBER = "number"  # in one piece, adjusted to the right
    TEXT = "text"  # words, which may be on several lines


class Column(NamedTuple):
    """A column of a table."""

    heading: str
    kind: Kind = Kind.ID


class Cell(NamedTuple):
    """A cell with a style of its own (`screen.STYLES`)."""

    text: str
    style: str = ""


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[object]],
    screen: Screen,
    least_needed: Sequence[str] = (),
) -> Page:
    """Rows with a cell (a text or a `Cell`) for each column, as the module says.

    `least_needed`: headings of the columns that may be left out, that which goes first first.
    """
    columns = [column._replace(heading=plain(column.heading)) for column in columns]
    cells = [[_cell(value) for value in row] for row in rows]
    sizes = [_size(column, [row[place].text for row in cells]) for place, column in enumerate(columns)]
    kept = _kept(columns, sizes, least_needed, screen)
    if kept is None:
        return blocks(columns, cells, screen)
    left_out = [column.heading for place, column in enumerate(columns) if place not in kept]
    columns = [columns[place] for place in kept]
    widths = _widths([sizes[place] for place in kept], screen.columns)
    below = []
    if left_out:
        note = f"not shown: {', '.join(left_out)} (a wider terminal, --tsv or --json has them)"
        below = ["", *prose(note, screen, "aside")]
    return Page(
        _headings(columns, widths, screen),
        [_row(columns, [row[place] for place in kept], widths, screen) for row in cells],
        below,
    )


def blocks(columns: Sequence[Column], rows: Iterable[Sequence[object]], screen: Screen) -> Page:
    """Each row as lines `heading  value`, with an empty line between two rows.

    A value that does not fit beside its heading is below it.
    """
    columns = [column._replace(heading=plain(column.heading)) for column in columns]
    beside = max((width(column.heading) for column in columns), default=0) + len(GAP)
    shown: list[list[str]] = []
    for row in rows:
        lines = [""] if shown else []
        for column, value in zip(columns, map(_cell, row), strict=True):
            lines += _entry(column, value, beside, screen)
        shown.append(lines)
    return Page(rows=shown)


def _entry(column: Column, value: Cell, beside: int, screen: Screen) -> list[str]:
    heading = screen.styled(column.heading, "heading")
    pieces = _pieces(column, value.text, screen.columns - beside)
    if max(map(width, pieces)) <= screen.columns - beside:
        begins = [heading + " " * (beside - width(heading)), *([" " * beside] * (len(pieces) - 1))]
        return [
            f"{begin}{screen.styled(piece, value.style)}" for begin, piece in zip(begins, pieces, strict=True)
        ]
    pieces = _pieces(column, value.text, screen.columns - len(GAP))
    return [heading, *(GAP + screen.styled(piece, value.style) for piece in pieces)]


class _Size(NamedTuple):
    """How many columns a table's column takes, at least and at most."""

    least: int
    natural: int


def _cell(value: object) -> Cell:
    cell = value if isinstance(value, Cell) else Cell("" if value is None else str(value))
    return Cell(plain(cell.text) or MISSING, cell.style)


def _size(column: Column, texts: Sequence[str]) -> _Size:
    content = max(map(width, texts), default=0)
    least = content
    if column.kind is Kind.TEXT and content > TEXT_COLUMNS:
        least = max(TEXT_COLUMNS, *(map(_longest_word, texts)))
    return _Size(max(least, _longest_word(column.heading)), max(content, width(column.heading)))


def _longest_word(text: str) -> int:
    return max(map(width, text.split(" ")))


def _kept(
    columns: Sequence[Column], sizes: Sequence[_Size], least_needed: Sequence[str], screen: Screen
) -> list[int] | None:
    """The places of the columns that a table has room for; None: leaving out those is not enough."""

    def fits(places: Sequence[int]) -> bool:
        return sum(sizes[place].least + len(GAP) for place in places) - len(GAP) <= screen.columns

    kept = list(range(len(columns)))
    headings = [column.heading for column in columns]
    going = [headings.index(heading) for heading in least_needed]
    while not fits(kept):
        if not going or len(kept) == 1:
            return None
        kept.remove(going.pop(0))
    return kept


def _widths(sizes: Sequence[_Size], room: int) -> list[int]:
    """What there is beyond the least is shared: who wants little gets it, the others get alike."""
    widths = [size.least for size in sizes]
    spare = room - sum(widths) - len(GAP) * (len(sizes) - 1)
    by_wish = sorted(range(len(sizes)), key=lambda place: sizes[place].natural - sizes[place].least)
    for number, place in enumerate(by_wish):
        more = min(sizes[place].natural - sizes[place].least, spare // (len(sizes) - number))
        widths[place] += more
        spare -= more
    return widths


def _headings(columns: Sequence[Column], widths: Sequence[int], screen: Screen) -> list[str]:
    """The headings, each of which stands on the rows."""
    pieces = [wrapped(column.heading, size) for column, size in zip(columns, widths, strict=True)]
    height = max(map(len, pieces), default=0)
    standing = [[""] * (height - len(lines)) + lines for lines in pieces]
    return _lines(columns, standing, widths, lambda _, text: screen.styled(text, "heading"))


def _row(
    columns: Sequence[Column], cells: Sequence[Cell], widths: Sequence[int], screen: Screen
) -> list[str]:
    pieces = [
        _pieces(column, cell.text, size) for column, cell, size in zip(columns, cells, widths, strict=True)
    ]
    return _lines(columns, pieces, widths, lambda place, text: screen.styled(text, cells[place].style))


def _pieces(column: Column, text: str, columns: int) -> list[str]:
    return wrapped(text, columns) if column.kind is Kind.TEXT else [text]


def _lines(
    columns: Sequence[Column],
    pieces: Sequence[Sequence[str]],
    widths: Sequence[int],
    styled: Callable[[int, str], str],
) -> list[str]:
    """Pieces of cells, side by side. No line ends with blanks that are not a cell's own."""
    lines = []
    for height in range(max(map(len, pieces), default=0)):
        line, blanks = "", 0
        for place, column in enumerate(columns):
            text = pieces[place][height] if height < len(pieces[place]) else ""
            padding = widths[place] - width(text)
            before = padding if column.kind is Kind.NUMBER else 0
            if text:
                line += " " * (blanks + before) + styled(place, text)
                blanks = padding - before + len(GAP)
            else:
                blanks += widths[place] + len(GAP)
        lines.append(line)
    return lines
