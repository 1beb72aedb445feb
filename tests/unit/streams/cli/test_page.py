"""How much of a page a screen has room for, and texts from line to line."""

from __future__ import annotations

import pytest

from streams.cli.page import Page, prose, width, wrapped
from streams.cli.screen import PIPE, Screen

PAGE = Page(["about", "heading"], [[f"row {number}"] for number in range(5)], ["", "note"])
BLOCKS = Page(["about"], [["a: 1", "b: 2", "c: 3"], ["", "a: 4", "b: 5", "c: 6"]])
WIDE = Page(["about"], [["東" * 73], ["short"], ["short"]])


def fitted(page: Page, columns: int, lines: int) -> list[str]:
    return page.fitted(Screen(columns, lines))


def below(rows: int) -> str:
    return f"… {rows} rows below: a taller terminal shows more"


def test_what_fits_is_whole() -> None:
    assert fitted(PAGE, 80, 9) == PAGE.lines() == PAGE.fitted(PIPE)


def test_rows_that_do_not_fit_are_counted() -> None:
    assert fitted(PAGE, 80, 8) == ["about", "heading", "row 0", "row 1", "row 2", below(2), "", "note"]
    assert fitted(PAGE, 80, 6) == ["about", "heading", "row 0", below(4), "", "note"]


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (7, ["about", "a: 1", "b: 2", "c: 3", below(1)]),
        (5, ["about", "a: 1", "b: 2", "c: 3", below(1)]),
        (4, ["about", "a: 1", "b: 2", below(2)]),  # better a part of it than nothing
        (2, ["about", below(2)]),
        (1, ["about"]),
    ],
)
def test_the_lines_of_a_row_belong_together(lines: int, shown: list[str]) -> None:
    assert fitted(BLOCKS, 80, lines) == shown


def test_a_line_over_the_edge_takes_as_many_lines_as_a_terminal_gives_it() -> None:
    # 146 columns: three lines of 49, if a wide character could be cut in half.
    assert fitted(WIDE, 49, 7) == WIDE.lines()
    assert fitted(WIDE, 49, 6) == ["about", WIDE.rows[0][0], below(2)]
    assert fitted(WIDE, 49, 5) == ["about", below(3)]


def test_a_page_is_never_taller_than_its_screen() -> None:
    for page in (PAGE, BLOCKS, WIDE, Page(["about"] * 9), Page(["東" * 73])):
        for columns in (10, 50):
            for lines in range(1, 12):
                shown = page.fitted(Screen(columns, lines))
                assert sum(-(-max(1, width(line)) // columns) for line in shown) <= lines


def test_a_text_goes_on_between_two_words() -> None:
    text = "as long as it needs to be"
    assert wrapped(text, 10) == ["as long as", "it needs", "to be"]
    assert wrapped("a 1234567890123 b", 5) == ["a", "1234567890123", "b"]
    assert wrapped("a  b", 10) == ["a  b"]
    assert prose(text, Screen(14), first="ok  ", indent=4) == ["ok  as long as", "    it needs", "    to be"]
    assert prose("two\nlines\x1b", PIPE) == ["two\\nlines\\x1b"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("東京", 4), ("e\u0301", 1), ("\x1b[1mab\x1b[0m", 2)],
)
def test_a_text_is_as_wide_as_a_terminal_shows_it(text: str, columns: int) -> None:
    assert width(text) == columns
