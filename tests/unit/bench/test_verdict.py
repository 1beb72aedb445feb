"""A benchmark's row counts only with the right result: anything else makes it void."""

from __future__ import annotations

import json

import pytest

from streams.sources.market import Record
from tests.bench.contest import Run, hold, medians
from tests.bench.load import partition_of
from tests.bench.peers.oracle import Expected, Oracle
from tests.bench.peers.verdict import Result, recon_of, wrong_job, wrong_limit, wrong_views
from tests.bench.report import contest_table

MINUTE = 29_545_920
"""2026-03-06T00:00Z."""


def payment(event: str, amount: int, event_id: str, *, city: str | None = "oslo", second: int = 0) -> Record:
    value = {
        "event_id": event_id,
        "event": event,
        "occurred_at": f"2026-03-06T00:00:{second:02d}.5Z",
        "payload": {"amount_minor": amount, "currency": "EUR"},
    } | ({"city": city} if city else {})
    return Record(b"key", json.dumps(value).encode(), 0)


@pytest.fixture
def expected() -> Expected:
    """Of four records the fourth is bad, and the third repeats the first."""
    oracle = Oracle(4)
    records = [
        payment("charge.succeeded", 100, "a"),
        payment("payout.paid", 30, "b", city=None, second=59),
        payment("charge.succeeded", 100, "a"),
        Record(b"key", b"not judged: the generator says that it is bad", 0),
    ]
    assert [*oracle.watch(iter(records))] == records
    return oracle.expected()


def test_the_oracle_adds_up_what_is_good_with_and_without_what_is_repeated(expected: Expected) -> None:
    charge, payout = f"charge.succeeded|oslo|EUR|{MINUTE}", f"payout.paid||EUR|{MINUTE}"
    assert expected == Expected(
        records=4,
        bad=1,
        repeated=1,
        sums={charge: [2, 200], payout: [1, 30]},
        once={charge: [1, 100], payout: [1, 30]},
    )


def test_the_same_id_on_another_partition_is_not_repeated() -> None:
    oracle = Oracle(100)
    key = next(key for key in map(str.encode, "abcdefgh") if partition_of(key) != partition_of(b"key"))
    first = payment("payout.paid", 1, "a")
    assert len([*oracle.watch(iter([first, first._replace(key=key)]))]) == 2
    assert oracle.expected().repeated == 0


def test_the_right_result_of_a_job_is_not_void(expected: Expected) -> None:
    assert wrong_job(expected, Result(expected.sums, 1)) == ""


@pytest.mark.parametrize("change", ["amount", "count", "missing", "more"])
def test_a_wrong_sum_is_told(expected: Expected, change: str) -> None:
    sums = {group: [*total] for group, total in expected.sums.items()}
    group = min(sums)
    match change:
        case "amount":
            sums[group][1] += 1
        case "count":
            sums[group][0] += 1
        case "missing":
            del sums[group]
        case _:
            group = "charge.succeeded|oslo|EUR|0"
            sums[group] = [1, 1]
    assert f"1 of 2 sums are wrong, such as {group}" in wrong_job(expected, Result(sums, 1))


def test_a_wrong_quarantine_is_told(expected: Expected) -> None:
    assert wrong_job(expected, Result(expected.sums, 0)) == "0 records in quarantine instead of 1"


@pytest.mark.parametrize(
    ("records", "refused", "wrong"), [(4, 1, False), (3, 1, True), (4, 0, True), (4, 2, True)]
)
def test_a_limit_has_to_read_everything_and_to_refuse_some_of_the_bad(
    expected: Expected, records: int, refused: int, wrong: bool
) -> None:
    assert bool(wrong_limit(expected, {"records": records, "refused": refused})) is wrong


NOTHING = {"currency": "EUR", "charges_minor": 0, "payouts_minor": 0, "refunds_minor": 0, "fees_minor": 0}
ROWS = ({**NOTHING, "city": None, "payouts_minor": 30}, {**NOTHING, "city": "oslo", "charges_minor": 100})
COUNTS = {"accepted": 2, "duplicate": 1, "quarantined": 1}


def test_the_views_are_right_without_what_is_repeated(expected: Expected) -> None:
    assert recon_of(expected.once) == {("oslo", "EUR"): [100, 0, 0, 0], (None, "EUR"): [0, 30, 0, 0]}
    assert wrong_views(expected, ROWS, COUNTS, 1) == ""


def test_wrong_views_are_told(expected: Expected) -> None:
    assert "sums are wrong" in wrong_views(expected, ROWS[:1], COUNTS, 1)
    assert "sums are wrong" in wrong_views(expected, [ROWS[0], {**ROWS[1], "charges_minor": 200}], COUNTS, 1)
    assert "counted as duplicate" in wrong_views(expected, ROWS, {**COUNTS, "duplicate": 0}, 1)
    assert "in quarantine" in wrong_views(expected, ROWS, COUNTS, 2)


def test_a_contestant_that_fails_is_void_and_the_others_are_measured() -> None:
    def fails() -> Run:
        raise RuntimeError("the process ended with 1\nand more")

    right = Run(10, 1.0, 2e-5, 1.0)
    said: list[str] = []
    results = hold({"broken": fails, "right": lambda: right}, 2, said.append)
    assert results["broken"].void == "the process ended with 1"
    assert results["right"] == right
    assert "round 2 (broken): void: the process ended with 1" in said


def test_one_wrong_run_makes_the_row_void_and_no_ratio_is_taken_to_it() -> None:
    right, wrong = Run(10, 1.0, 2e-5, 1.0), Run(10, 1.0, 1e-5, 1.0, "a sum is wrong")
    results = {"fast": medians([right, wrong, right]), "slow": medians([right, right])}
    table = contest_table(results, {"fast": "The fast one", "slow": "The slow one"}, ["fast", "slow"])
    row = next(line for line in table.splitlines() if line.startswith("| The fast one"))
    assert set(row.replace("| The fast one", "").replace("|", " ").split()) == {"void"}
    assert "÷ fast" not in table
    assert "void: The fast one: a sum is wrong" in table
    assert "2.00" in table.splitlines()[3]
