"""Whatever rows there are and however wide the terminal is: every number and every id is there, whole."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.cli.page import Page, width
from streams.cli.screen import PIPE, Screen
from streams.cli.table import Column, Kind, blocks, table
from streams.plain_text import plain
from tests.support.terminal import cells_of

MOST = 2**63
LETTERS = [*"aZ09-_.:/+éßЖ中文字한글かな😀\x1b\t\u202e", "e\u0301", "中\u0308", "x\u0301\u0308"]
letters = st.sampled_from(LETTERS)
words = st.lists(letters, min_size=1, max_size=12).map("".join)
ids = words | st.lists(letters, max_size=128).map("".join) | st.lists(words, max_size=4).map(" ".join)
numbers = st.integers(-MOST, MOST).map(lambda number: f"{number:,}")
texts = st.lists(words, max_size=20).map(" ".join)
CELLS = {Kind.ID: ids, Kind.NUMBER: numbers, Kind.TEXT: texts}
headings = st.lists(words, min_size=1, max_size=3).map(" ".join)
columns = st.lists(st.builds(Column, headings, st.sampled_from(Kind)), min_size=1, max_size=12)
widths = st.integers(40, 250)


@st.composite
def rows_and_columns(draw: st.DrawFn) -> tuple[list[Column], list[list[str]], list[str]]:
    """Columns, rows, and which columns may be left out."""
    of = draw(columns.filter(lambda found: len({plain(one.heading) for one in found}) == len(found)))
    rows = draw(st.lists(st.tuples(*(CELLS[column.kind] for column in of)).map(list), min_size=1, max_size=6))
    least_needed = draw(st.lists(st.sampled_from([plain(one.heading) for one in of]), unique=True))
    return of, rows, least_needed


def cell(text: str) -> str:
    return plain(text) or "-"


def left_out(page: Page, of: Sequence[Column]) -> list[Column]:
    """The columns that a note names, which is as it says."""
    note = " ".join(line.strip() for line in page.below)
    if not note:
        return []
    begin, end = "not shown: ", " (a wider terminal, --tsv or --json has them)"
    assert (note.strip()[: len(begin)], note[-len(end) :]) == (begin, end)
    named = note.strip()[len(begin) : -len(end)]
    gone = [one for one in of if f", {plain(one.heading)}, " in f", {named}, "]
    assert named == ", ".join(plain(one.heading) for one in gone)
    return gone


@given(rows_and_columns(), widths)
def test_no_number_and_no_id_is_ever_cut(
    given_rows: tuple[list[Column], list[list[str]], list[str]], screen_columns: int
) -> None:
    of, rows, least_needed = given_rows
    page = table(of, rows, Screen(screen_columns), least_needed)
    gone = left_out(page, of)
    assert {plain(one.heading) for one in gone} <= set(least_needed)
    assert len(gone) < len(of)
    assert not (gone and table(of, rows, Screen(screen_columns)).above), "there was room for all"
    assert len(page.rows) == len(rows)
    for lines, row in zip(page.rows, rows, strict=True):
        for column, text in zip(of, row, strict=True):
            if column in gone:
                continue
            whole = [cell(text)] if column.kind is not Kind.TEXT else cell(text).split(" ")
            assert all(any(piece in line for line in lines) for piece in whole), (column, text)
    said = "\n".join(page.lines())
    assert all(word in said for one in of for word in plain(one.heading).split(" "))


@given(rows_and_columns(), widths)
def test_lines_are_as_wide_as_a_terminal_sees_them_and_stay_within_it(
    given_rows: tuple[list[Column], list[list[str]], list[str]], screen_columns: int
) -> None:
    of, rows, least_needed = given_rows
    page = table(of, rows, Screen(screen_columns), least_needed)
    pieces = {word for row in rows for text in row for word in (cell(text), *cell(text).split(" "))}
    pieces |= {word for one in of for word in (plain(one.heading), *plain(one.heading).split(" "))}
    for line in page.lines():
        assert width(line) == cells_of(line)
        if width(line) > screen_columns:  # one thing alone that is wider, below its heading
            assert line.removeprefix("  ") in pieces


@given(rows_and_columns())
def test_in_a_pipe_a_row_is_a_line_with_all_columns(
    given_rows: tuple[list[Column], list[list[str]], list[str]],
) -> None:
    of, rows, least_needed = given_rows
    _, *lines = table(of, rows, PIPE, least_needed).lines()
    for line, row in zip(lines, rows, strict=True):
        rest = line
        for text in row:
            before, found, rest = rest.partition(cell(text))
            assert found
            assert not before.strip(" ")


@given(rows_and_columns(), widths)
def test_blocks_have_all_columns_in_their_order(
    given_rows: tuple[list[Column], list[list[str]], list[str]], screen_columns: int
) -> None:
    of, rows, _ = given_rows
    for lines, row in zip(blocks(of, rows, Screen(screen_columns)).rows, rows, strict=True):
        rest = " ".join(" ".join(lines).split())
        for column, text in zip(of, row, strict=True):
            for piece in (plain(column.heading), cell(text)):
                _, found, rest = rest.partition(" ".join(piece.split()))
                assert found or not piece.strip()
