"""What others wrote cannot act on a terminal, a table or a log, and JSON stays the same JSON."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import logs
from streams.cli.common import Failure
from streams.cli.screen import PIPE, Screen
from streams.cli.table import Column, table
from streams.cli.tsv import echo_tsv
from streams.cli.views_table import view_page
from streams.http.routes import docs_page
from streams.plain_text import json_text, plain, plain_lines
from streams.settings import Settings
from tables.spec.windowed import Sum, Term, Windowed

NASTY = [
    "\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "a\r\nlevel=ERROR forged", "abc\u202egnp.exe",
    "\u2066x\u2069", "\u2028line", "nul\x00", "\x7f", "\ud800", "tab\there", "\u200bzero", "\ufeffbom",
]  # fmt: skip
MARKUP = ["pattern '^[a-z0-9_-]+$'", "[red]no[/]", "[link=http://x]y[/link]", "\\[x]", ":smile:", "[/]"]


def shown(text: str) -> bool:
    return text.isprintable()


@pytest.mark.parametrize("text", NASTY)
def test_what_does_not_print_is_escaped(text: str) -> None:
    assert shown(plain(text))
    assert all(map(shown, plain_lines(text).split("\n")))


def test_what_prints_stays() -> None:
    for text in ("", "London", "Zürich 東京 é", "a\\d+ [x] 'q' \"q\"", *MARKUP):
        assert plain(text) == text
    assert plain("a\nb\x1b") == "a\\nb\\x1b"
    assert plain_lines("a\nb\x1b") == "a\nb\\x1b"


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_is_the_same_json(document: object) -> None:
    for indent in (None, 2):
        written = json_text(document, indent=indent)
        assert json.loads(written) == document
        assert shown(written.replace("\n", ""))
    assert "\n" not in json_text(document)


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_any_text_at_all_becomes_one_printable_line(text: str) -> None:
    assert shown(plain(text))
    assert json.loads(json_text([text])) == [text]


@pytest.mark.parametrize("text", [*NASTY, *MARKUP])
def test_a_table_shows_text_as_it_is(text: str) -> None:
    heading, row = table((Column(text), Column("other")), [(text, 5)], PIPE).lines()
    assert (heading, row) == (f"{plain(text)}  other", f"{plain(text)}  5")
    in_blocks = table((Column(text), Column("other")), [(text, 5)], Screen(columns=4)).lines()
    assert in_blocks == [plain(text), f"  {plain(text)}", "other", "  5"]


@pytest.mark.parametrize("text", [*NASTY, *MARKUP])
def test_a_line_of_tsv_is_a_row_whatever_it_holds(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    echo_tsv(("id", text), [{"id": text, text: 5}])
    names, row = capsys.readouterr().out.splitlines()
    assert [cell.encode().decode("unicode_escape") for cell in row.split("\t")] == [text, "5"]
    assert names.split("\t")[1] == row.split("\t")[0]
    assert shown((names + row).replace("\t", ""))


@pytest.mark.parametrize("text", [*NASTY, *MARKUP])
def test_an_answer_of_the_api_is_shown_as_it_is(text: str) -> None:
    answer = {
        "view": text, "kind": "windowed", "as_of": text, "from": text, "to": text, "complete": False,
        "freshness_seconds": 1, "partitions": [], "incomplete_because": [text], "warnings": [text],
        "rows": [{"city": text, "currency": text, text: 5}],
    }  # fmt: skip
    lines = view_page(answer, PIPE).lines()
    assert all(map(shown, lines))
    assert "\n".join(lines).count(plain(text)) >= 8
    assert len(lines) == 6


@pytest.mark.parametrize("text", NASTY)
def test_a_log_line_is_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure(Settings.load({}))
        log = logging.getLogger("streams.x")
        log.error("topic %s", text, exc_info=ValueError(text), extra={"fields": {text: text}})
        sys.stderr.flush()
        said = capsys.readouterr().err
    finally:
        root.handlers, root.level = handlers, level
        logging.captureWarnings(False)
    assert said.count("\n") == 1
    assert shown(said.rstrip("\n"))
    assert json.loads(said)["message"] == f"topic {text}"
    assert json.loads(said)[text] == text


@pytest.mark.parametrize("text", NASTY)
def test_a_failure_cannot_act_on_the_terminal(text: str) -> None:
    out = io.StringIO()
    Failure(f"file {text}: no").show(out)
    assert shown(out.getvalue().replace("\n", ""))


def test_a_warning_that_comes_again_and_again_is_left_out_and_counted() -> None:
    seen: list[str] = []
    once = logs._OnceInAWhile()

    def say(
        at: float, message: str, *args: object, level: int = logging.WARNING, name: str = "streams.a"
    ) -> None:
        record = logging.LogRecord(name, level, "", 0, message, args, None)
        record.created = at
        if once.filter(record):
            seen.append(record.getMessage())

    for second in range(125):
        say(1e9 + second, "away (%s); next try in %.1f s", "refused", second / 7)
        say(1e9 + second, "recovering %s-%d", "raw", second % 2)
    say(1e9 + 1, "away (%s); next try in %.1f s", "not found", 0.5)
    for _ in range(3):
        say(1e9, "an error", level=logging.ERROR)
        say(1e9, "a coded one", name="streams.errors")
        say(1e9, "an info", level=logging.INFO)
    assert [line for line in seen if "refused" in line] == [
        "away (refused); next try in 0.0 s",
        "away (refused); next try in 8.6 s (59 more like it before)",
        "away (refused); next try in 17.1 s (59 more like it before)",
    ]
    assert (
        sum("recovering raw-0" in line for line in seen)
        == sum("recovering raw-1" in line for line in seen)
        == 3
    )
    assert sum("not found" in line for line in seen) == 1
    assert [seen.count(line) for line in ("an error", "a coded one", "an info")] == [3, 3, 3]


def test_the_docs_page_takes_nothing_for_html() -> None:
    evil = "<script>x</script>'\""
    measure = Sum(evil, evil, (Term("booking.confirmed"),))
    view = Windowed(name=evil, description=evil, dimensions=(evil, "city"), measures=(measure,))
    openapi = {
        "info": {"title": evil, "version": evil, "description": evil},
        "paths": {evil: {"get": {"summary": evil, "responses": {evil: {"description": evil}},
                                 "parameters": [{"name": evil, "description": evil,
                                                 "schema": {"examples": [evil]}}]}}},
    }  # fmt: skip
    page = docs_page.page(openapi, [view])
    assert "<script>" not in page.lower()
    assert page.count("&lt;script&gt;") > 10
