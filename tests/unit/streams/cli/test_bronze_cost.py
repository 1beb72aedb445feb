"""`sluice bronze cost`: what it answers to people and programs, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streams.cli.main import main

ASKED = ("--events-per-second", "500", "--bytes-per-event", "350")


def cost(*arguments: str, **settings: str) -> Result:
    environ = {f"SLUICE_{name.upper()}": value for name, value in settings.items()}
    return CliRunner().invoke(main, ["bronze", "cost", *arguments], env=environ)


def rows(*arguments: str, **settings: str) -> list[dict[str, Any]]:
    done = cost(*ASKED, "--json", *arguments, **settings)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_the_first_row_is_what_is_set_and_the_others_differ_from_it() -> None:
    first, *others = rows(bronze_max_seconds="120", bronze_city_domains="search,comms")
    assert (first["max_seconds"], first["city_domains"]) == (120, "search,comms")
    assert {row["max_seconds"] for row in others} == {60, 120, 300, 900, 3600}
    assert [row["city_domains"] for row in others if row["max_seconds"] == 120] == [""]


def test_what_does_not_matter_is_not_offered() -> None:
    first, *others = rows(bronze_max_bytes="100000")
    assert first["closes_by"] == "bytes"
    assert [(row["max_seconds"], row["max_bytes"]) for row in others] == [(60, 400_000)]


def test_partitions_are_those_of_all_raw_topics_unless_told() -> None:
    (set_, *_), (told, *_) = rows(partitions="3", raw_topics="a,b"), rows("--partitions", "6")
    assert set_ == told


def test_fewer_events_and_other_prices_are_counted() -> None:
    (first, *_) = rows()
    (one, *_) = rows("--event", "search.click", "--put-price", "1", "--get-price", "0.001")
    assert one["range_objects"] == 1
    assert first["range_objects"] > 40
    assert one["request_dollars"] == pytest.approx(one["puts_per_month"] / 1000, rel=0.001)


def test_the_budget_is_held_against_the_requests() -> None:
    (row, *_) = rows(budget_puts="1000000")
    assert row["budget_ratio"] == pytest.approx(row["puts_per_month"] / 1e6, abs=0.001)
    assert rows()[0]["budget_ratio"] is None


def test_people_and_spreadsheets_get_the_same_rows() -> None:
    told = rows(budget_puts="1000000")
    lines = cost(*ASKED, "--tsv", budget_puts="1000000").stdout.splitlines()
    assert [line.split("\t")[7] for line in lines] == [
        "puts_per_day",
        *(str(row["puts_per_day"]) for row in told),
    ]
    shown = cost(*ASKED, budget_puts="1000000").stdout
    assert all(f"{row['puts_per_month']:,}" in shown for row in told)
    assert "assumptions" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--events-per-second", "nan", "--bytes-per-event", "1"),
            "'--events-per-second': 'nan' is no number",
        ),
        (
            ("--events-per-second", "0", "--bytes-per-event", "1"),
            "'--events-per-second': 0.0 is not in the range",
        ),
        (
            ("--events-per-second", "1", "--bytes-per-event", "inf"),
            "'--bytes-per-event': inf is not in the range",
        ),
        (("--events-per-second", "1"), "Missing option '--bytes-per-event'"),
        ((*ASKED, "--event", "search.clik"), "no such event: search.clik; did you mean search.click?"),
        ((*ASKED, "--put-price", "-1"), "'--put-price': -1.0 is not in the range"),
        ((*ASKED, "--json", "--tsv"), "take one of them"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments: tuple[str, ...], said: str) -> None:
    done = cost(*arguments)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize("value", ["-1", "1e6", "many", "1000000000001", ""])
def test_a_budget_that_is_no_number_of_requests_is_refused_by_name(value: str) -> None:
    done = cost(*ASKED, budget_puts=value)
    assert done.exit_code == 2
    assert f"SLUICE_BUDGET_PUTS={value!r} is not allowed: it must be a whole number from 0" in done.output
