"""What is written as TSV is read back as it was, whatever it holds."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st

from streams.cli.tsv import echo_tsv

NAMES = ("id", "number", "text")
ESCAPE = re.compile(r"\\(x..|u.{4}|U.{8}|.)", re.DOTALL)
LETTERS = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
texts = st.text(st.characters(codec=None, exclude_categories=())) | st.text("\\\t\n\r\x1bnt ")


def read_back(value: str) -> str:
    return ESCAPE.sub(lambda found: LETTERS.get(found[1]) or chr(int(found[1][1:], 16)), value)


@given(st.lists(st.tuples(texts, st.integers(), texts)))
def test_a_line_is_a_row_and_a_tab_ends_a_value(rows: list[tuple[str, int, str]]) -> None:
    with redirect_stdout(StringIO()) as out:
        echo_tsv(NAMES, [dict(zip(NAMES, row, strict=True)) for row in rows])
    names, *lines = out.getvalue().removesuffix("\n").split("\n")
    assert names == "\t".join(NAMES)
    cells = [[read_back(cell) for cell in line.split("\t")] for line in lines]
    assert cells == [[name, str(number), text] for name, number, text in rows]
