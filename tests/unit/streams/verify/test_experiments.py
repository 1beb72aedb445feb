"""Estimates of experiments in SQL, against users made by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from streams.verify.experiments import chi_square_tail, experiments_sql, prepare
from streams.verify.rules import HOUR_US, Limits, apply_rules
from tables.spec.experiment import ESTIMATES, Experiment, UserMetric
from tables.spec.windowed import Term
from tables.views.exp_metric_cuped import EXP_METRIC_CUPED
from tests.support.proofs import START_MS, Event, loaded

LIMITS = Limits(dedupe_seconds=0, pane_hours=24, closed_hours=1)


def exposed(user: str, variant: str, occurred: float, covariate: float | None, partition: int = 0) -> Event:
    payload = {"exp_key": "x", "variant": variant, "user_id": user, "covariate": covariate}
    return Event(0, 0, occurred, "", payload, "experiment.exposure", partition=partition)


def checkout(user: str, occurred: float, partition: int = 0) -> Event:
    return Event(0, 0, occurred, "", {"user_id": user}, "checkout.start", partition=partition)


async def estimated(folder: Path, view: Experiment, *events: Event) -> dict[str, dict[str, Any]]:
    """By variant."""
    placed = [event._replace(offset=at, event_id=f"e{at}") for at, event in enumerate(events)]
    newest_us = START_MS * 1000 + int(max(event.occurred for event in events) * 60_000_000)
    async with loaded(folder, placed, LIMITS) as records:
        await apply_rules(records, LIMITS)
        await prepare(records)
        rows = await records.rows(experiments_sql(view), newest_us=newest_us, kept_us=24 * HOUR_US)
    return {row["variant"]: row for row in rows}


async def test_the_estimates_of_a_few_users(tmp_path: Path) -> None:
    events = [
        exposed("a", "control", 10, 1.0), exposed("b", "control", 10, 3.0),
        exposed("c", "treatment", 10, 2.0), exposed("d", "treatment", 10, None),
        checkout("a", 9), checkout("a", 10), checkout("b", 11), checkout("b", 12), checkout("b", 13),
        checkout("c", 12), checkout("nobody", 12),
    ]  # fmt: skip
    found = await estimated(tmp_path, EXP_METRIC_CUPED, *events)
    control, treatment = found["control"], found["treatment"]
    # x: 1, 3, 2; y: 1, 3, 1. cov(x, y) = 2/3, var(x) = 2/3, so theta = 1; mean(x) = 2.
    assert (control["users"], control["y_sum"], control["mean_y"], control["var_y"]) == (2, 4, 2.0, 2.0)
    assert (control["theta"], treatment["theta"]) == (pytest.approx(1), pytest.approx(1))
    assert (control["mean_cuped"], control["var_cuped"]) == (pytest.approx(2), pytest.approx(0, abs=1e-12))
    assert (treatment["users"], treatment["y_sum"], treatment["mean_cuped"]) == (2, 1, pytest.approx(0.5))
    assert treatment["var_cuped"] == pytest.approx(0.5)
    assert (control["diff"], treatment["diff"]) == (None, pytest.approx(-1.5))
    assert treatment["diff_high"] == pytest.approx(-1.5 + 1.959963984540054 * 0.5)
    assert treatment["always_valid_low"] is None, "of too few users"
    assert treatment["srm_p"] == 1.0


async def test_the_first_exposure_counts_and_crossovers_are_told(tmp_path: Path) -> None:
    events = [
        exposed("a", "treatment", 20, 5.0), exposed("a", "control", 10, 7.0),
        exposed("b", "treatment", 10, None), exposed("c", "b", 10, None), exposed("c", "a", 10, None),
        checkout("a", 15),
    ]  # fmt: skip
    found = await estimated(tmp_path, EXP_METRIC_CUPED, *events)
    assert {variant: (row["users"], row["crossovers"], row["y_sum"]) for variant, row in found.items()} == {
        "a": (1, 1, 0),
        "control": (1, 1, 1),
        "treatment": (1, 0, 0),
    }


async def test_what_a_user_does_on_another_partition_is_missed(tmp_path: Path) -> None:
    found = await estimated(tmp_path, EXP_METRIC_CUPED, exposed("a", "control", 1, None), checkout("a", 2, 1))
    assert found["control"]["y_sum"] == 0


async def test_an_experiment_ends_with_its_exposures(tmp_path: Path) -> None:
    kept = await estimated(
        tmp_path, EXP_METRIC_CUPED, exposed("a", "control", 0, None), checkout("b", 24 * 60)
    )
    assert set(kept) == {"control"}
    (tmp_path / "over").mkdir()
    over = exposed("a", "control", 0, None), checkout("b", 24 * 60 + 1)
    assert await estimated(tmp_path / "over", EXP_METRIC_CUPED, *over) == {}


async def test_a_name_that_is_taken_anew_is_another_experiment(tmp_path: Path) -> None:
    day = 24 * 60
    events = [
        exposed("a", "old", 0, None),
        checkout("b", 2 * day + 1),
        exposed("b", "new", 2 * day + 1, None),
    ]
    assert set(await estimated(tmp_path, EXP_METRIC_CUPED, *events)) == {"new"}
    (tmp_path / "a").mkdir()
    soon = [exposed("a", "old", 0, None), checkout("b", 2 * day), exposed("b", "new", 2 * day, None)]
    assert set(await estimated(tmp_path / "a", EXP_METRIC_CUPED, *soon)) == {"old", "new"}


async def test_a_ratio_is_of_sums(tmp_path: Path) -> None:
    metric = UserMetric(of=(Term("amenity.used", "quantity"),), per=(Term("checkout.start"),))
    view = Experiment(
        name="v", description="V", dimensions=("exp_key", "variant"), measures=ESTIMATES, metric=metric
    )
    used = [
        Event(0, 0, 5, "", {"user_id": user, "quantity": quantity}, "amenity.used")
        for user, quantity in (("a", 3), ("b", 5))
    ]
    events = [exposed(user, "control", 1, None) for user in "ab"]
    events += [*used, checkout("a", 2), checkout("b", 2), checkout("b", 3)]
    row = (await estimated(tmp_path, view, *events))["control"]
    assert row["mean_y"] == pytest.approx(8 / 3)
    # (y - 8/3 z) ÷ (3/2): a 2/9, b -2/9.
    assert row["var_y"] == pytest.approx(2 * (2 / 9) ** 2)


@pytest.mark.parametrize(
    ("statistic", "freedom", "p"),
    [(3.841459, 1, 0.05), (5.991465, 2, 0.05), (18.307038, 10, 0.05), (0.0, 3, 1.0), (0.1, 4, 0.998791)],
)
def test_the_tail_of_chi_square_is_that_of_the_tables(statistic: float, freedom: int, p: float) -> None:
    assert chi_square_tail(statistic, freedom) == pytest.approx(p, rel=1e-6)


@pytest.mark.parametrize("statistic", [0.01, 0.5, 2.9, 3.1, 40.0, 300.0])
def test_the_tail_of_one_degree_is_that_of_the_normal_distribution(statistic: float) -> None:
    assert chi_square_tail(statistic, 1) == pytest.approx(math.erfc(math.sqrt(statistic / 2)), rel=1e-12)
