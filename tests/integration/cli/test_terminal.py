"""A command as a program on a real terminal of 80 columns, and what the environment says of terminals."""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from typing import Any

import pytest

from streams.cli.formats import money
from tests.support.api import ANSWER, answering
from tests.support.programs import started
from tests.support.terminal import Terminal, cells_of

VIEW = "ops_recon_variance"
MOST = 2**53 - 1
MEASURES = ("charges", "payouts", "refunds", "fees", "variance", "abs_variance")
ROWS: list[dict[str, Any]] = [
    {"city": city, "currency": "GBP", **{f"{name}_minor": minor for name in MEASURES}, "variance_ratio": 1.0}
    for city, minor in ((None, MOST), ("llanfair" * 8, -MOST))
]
SHORT: list[dict[str, Any]] = [{**ROWS[0], **{f"{name}_minor": 123456 for name in MEASURES}}]


def shown(rows: list[dict[str, Any]], **environ: str) -> str:
    """What `sluice views ops_recon_variance` writes to a terminal of 80 columns."""
    with answering() as api, Terminal(80, 24) as terminal:
        api.answers[f"/v1/views/{VIEW}"] = (200, {**ANSWER, "view": VIEW, "rows": rows})
        command = [sys.executable, "-m", "streams.cli.main", "views", VIEW, "--api", api.url]
        plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
        login = partial(os.login_tty, terminal.end)
        with started(command, env={**plain, "TERM": "xterm", **environ}, preexec_fn=login) as program:
            terminal.let_go()
            terminal.to_the_end()
    assert program.returncode == 0
    return terminal.said.decode().replace("\r\n", "\n")


def without_colour(said: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()


def test_numbers_that_do_not_fit_are_below_each_other_and_whole() -> None:
    lines = without_colour(shown(ROWS))
    for minor in (MOST, -MOST):
        assert sum(line.endswith(f"  {money(minor, 'GBP')}") for line in lines) == len(MEASURES)
    assert f"city            {ROWS[1]['city']}" in lines
    assert max(map(cells_of, lines)) <= 80


def test_columns_that_do_not_fit_are_named() -> None:
    lines = without_colour(shown(SHORT))
    assert lines[-1] == "not shown: abs variance (a wider terminal, --tsv or --json has them)"
    assert lines[-3].split() == ["-", "GBP", *(["1,234.56"] * 5), "100.00%"]
    assert max(map(cells_of, lines)) <= 80


def test_the_environment_says_how_wide_it_is() -> None:
    lines = without_colour(shown(SHORT, COLUMNS="150"))
    assert lines[-1].split() == ["-", "GBP", *(["1,234.56"] * 6), "100.00%"]
    assert without_colour(shown(SHORT, COLUMNS="wide")) == without_colour(shown(SHORT))


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_is_left_out_where_nobody_wants_it(environ: dict[str, str], coloured: bool) -> None:
    said = shown(SHORT, **environ)
    assert ("\x1b" in said) is coloured
    assert without_colour(said) == without_colour(shown(SHORT))
