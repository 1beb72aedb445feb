"""What an experiment's sums say, held against numpy over the users, and watched in 2,000 A/A experiments."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tables.experiments.estimates import ALPHA, FROM_USERS, TUNED_FOR_USERS, estimates
from tables.experiments.moments import Moments, User

Doubles = npt.NDArray[np.float64]


def sums(users: list[User]) -> Moments:
    found = Moments()
    for user in users:
        found.add(user)
    return found


def parted(users: list[User], parts: int = 4) -> Moments:
    """As the sums of several partitions, which are merged."""
    merged = Moments()
    for part in range(parts):
        merged.merge(Moments.unpacked(sums(users[part::parts]).packed()))
    return merged


def drawn(seed: int, count: int, *, centre: float = 0.0, lift: float = 0.0, rho: float = 0.6) -> list[User]:
    """Counts that go with a covariate; one user of ten has none."""
    draw = np.random.default_rng(seed)
    x = draw.normal(0, 1, count)
    rate = np.exp(rho * x + math.log(2 + lift))
    y = draw.poisson(rate)
    known = draw.random(count) > 0.1
    return [
        User(centre + float(a) if has else None, int(b), 1, False)
        for a, b, has in zip(x, y, known, strict=True)
    ]


def in_numpy(variants: dict[str, list[User]], centre: float) -> dict[str, dict[str, float]]:
    """The same from the users themselves; the covariate is shifted, so that numpy loses nothing."""
    x = {name: np.array([u.x - centre for u in users if u.x is not None]) for name, users in variants.items()}
    with_x = {
        name: np.array([u.y for u in users if u.x is not None], float) for name, users in variants.items()
    }
    all_x, all_y = np.concatenate(list(x.values())), np.concatenate(list(with_x.values()))
    theta = np.cov(all_x, all_y)[0, 1] / np.var(all_x, ddof=1)
    found = {}
    for name, users in variants.items():
        y = np.array([u.y for u in users], float)
        adjusted = np.array(
            [u.y - (0.0 if u.x is None else theta * (u.x - centre - all_x.mean())) for u in users]
        )
        found[name] = {
            "mean_y": y.mean(),
            "var_y": y.var(ddof=1),
            "theta": theta,
            "mean_cuped": adjusted.mean(),
            "var_cuped": adjusted.var(ddof=1),
            "variance_reduction": 1 - adjusted.var(ddof=1) / y.var(ddof=1),
        }
    other = found["control"]
    for name, users in variants.items():
        if name != "control":
            one = found[name]
            error = math.sqrt(one["var_cuped"] / len(users) + other["var_cuped"] / len(variants["control"]))
            one["diff"] = one["mean_cuped"] - other["mean_cuped"]
            one["diff_low"] = one["diff"] - 1.959963984540054 * error
            one["diff_high"] = one["diff"] + 1.959963984540054 * error
    return found


@pytest.mark.parametrize("centre", [0.0, 1e9, -3e12])
def test_estimates_are_those_of_numpy(centre: float) -> None:
    """Six digits at the least: a covariate near 10⁹ of variance 1 has all of them."""
    variants = {"control": drawn(1, 4_000, centre=centre), "other": drawn(2, 5_000, centre=centre, lift=0.3)}
    shown = estimates({name: parted(users) for name, users in variants.items()})
    # What a double keeps of the covariate is what numpy is given, too.
    for name, expected in in_numpy(variants, centre).items():
        for measure, value in expected.items():
            assert shown[name][measure] == pytest.approx(value, rel=1e-9), (name, measure)


def test_no_order_and_no_split_changes_a_bit_of_it() -> None:
    users = drawn(3, 500, centre=1e9)
    whole = sums(users)
    random.Random(1).shuffle(users)
    assert parted(users, 7).packed() == whole.packed()
    more = drawn(4, 50, centre=1e-9)
    for sign in (1, -1):
        for user in more:
            whole.add(user, sign)
    assert estimates({"a": whole}) == estimates({"a": sums(users)})


def test_a_covariate_reduces_the_variance_by_its_squared_correlation() -> None:
    draw = np.random.default_rng(5)
    for rho in (0.0, 0.3, 0.7, 0.9):
        x = draw.normal(0, 1, 40_000)
        y = np.rint(1000 * (rho * x + math.sqrt(1 - rho * rho) * draw.normal(0, 1, len(x)))).astype(int)
        users = [User(float(a), int(b), 1, False) for a, b in zip(x, y, strict=True)]
        shown = estimates({"a": sums(users[::2]), "b": sums(users[1::2])})
        for variant in "ab":
            reduction = shown[variant]["variance_reduction"]
            assert reduction == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2, abs=0.02)


def ratio_users(draw: np.random.Generator, count: int, mean: float) -> list[User]:
    """An amount for each of some check-outs: both go with the covariate."""
    x = draw.normal(0, 1, count)
    z = draw.poisson(np.exp(0.5 * x)) + 1
    y = np.rint(z * draw.normal(mean, 8, count)).astype(int)
    return [User(float(a), int(b), int(c), False) for a, b, c in zip(x, y, z, strict=True)]


def test_a_ratio_has_the_variance_that_the_delta_method_gives() -> None:
    """Held against the spread of the ratio over many samples, with CUPED and without."""
    draw = np.random.default_rng(6)
    plain, adjusted, errors, errors_cuped = [], [], [], []
    for _ in range(400):
        users = ratio_users(draw, 400, 50)
        (shown,) = estimates({"a": sums(users)}).values()
        both = estimates({"a": sums(users), "control": sums(ratio_users(draw, 400, 50))})
        plain.append(sum(u.y for u in users) / sum(u.z for u in users))
        assert shown["mean_y"] == pytest.approx(plain[-1])
        errors.append(number(shown["var_y"]) / len(users))
        adjusted.append(number(both["a"]["diff"]))
        errors_cuped.append(sum(number(both[name]["var_cuped"]) for name in both) / 400)
    assert np.var(plain) == pytest.approx(np.mean(errors), rel=0.2)
    assert np.var(adjusted) == pytest.approx(np.mean(errors_cuped), rel=0.2)


def number(value: Any) -> float:
    assert isinstance(value, int | float)
    return value


def test_a_ratio_over_ones_is_a_mean() -> None:
    users = drawn(7, 300)
    doubled = [User(u.x, u.y, 2, u.crossed) for u in users]
    one, two = estimates({"a": sums(users)})["a"], estimates({"a": sums(doubled)})["a"]
    assert number(two["mean_y"]) * 2 == pytest.approx(one["mean_y"])
    assert number(two["var_y"]) * 4 == pytest.approx(one["var_y"])
    assert two["variance_reduction"] == pytest.approx(one["variance_reduction"])


def looks(seed: int) -> tuple[bool, bool]:
    """Whether an A/A experiment, watched from its 200th to its 4,000th user, ever alarms: by the fixed
    interval, and by the always-valid one."""
    draw = np.random.default_rng(seed)
    count = 2_000
    fixed = always = False
    x = draw.normal(0, 1, (2, count))
    y = draw.poisson(np.exp(0.5 * x))
    numbers = np.arange(1, count + 1)
    # Running CUPED with theta of all seen so far, by the same formulas, vectorised over the looks.
    sx, sy, sxx, sxy, syy = (np.cumsum(part, 1) for part in (x, y, x * x, x * y, y * y))
    n2 = 2 * numbers
    theta = (sxy.sum(0) - sx.sum(0) * sy.sum(0) / n2) / (sxx.sum(0) - sx.sum(0) ** 2 / n2)
    mean = sy / numbers - theta * sx / numbers
    spread = (syy - sy**2 / numbers) - 2 * theta * (sxy - sx * sy / numbers)
    spread += theta**2 * (sxx - sx**2 / numbers)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt((spread / (numbers - 1) / numbers).sum(0))
    diff = mean[1] - mean[0]
    scaled = n2 * RHO_2 + 1
    half = error * np.sqrt(2 * scaled / (n2 * RHO_2) * np.log(np.sqrt(scaled) / ALPHA))
    seen = numbers >= FROM_USERS
    fixed = bool((np.abs(diff) > 1.96 * error)[seen].any())
    always = bool((np.abs(diff) > half)[seen].any())
    if seed % 200 == 0:  # the product's own numbers are these
        at = int(draw.integers(FROM_USERS, count))
        users = [
            [User(float(a), int(b), 1, False) for a, b in zip(x[arm, :at], y[arm, :at], strict=True)]
            for arm in (0, 1)
        ]
        shown = estimates({"control": sums(users[0]), "other": sums(users[1])})["other"]
        assert shown["diff"] == pytest.approx(diff[at - 1])
        assert shown["always_valid_high"] == pytest.approx(diff[at - 1] + half[at - 1])
        assert shown["diff_low"] == pytest.approx(diff[at - 1] - 1.959964 * error[at - 1])
    return fixed, always


RHO_2 = (-2 * math.log(ALPHA) + math.log(1 - 2 * math.log(ALPHA))) / TUNED_FOR_USERS


def test_an_a_a_experiment_may_be_watched_all_along() -> None:
    alarms = [looks(seed) for seed in range(2_000)]
    fixed, always = (sum(each) / len(alarms) for each in zip(*alarms, strict=True))
    assert always <= ALPHA
    assert fixed > 4 * ALPHA


def test_a_true_difference_is_found() -> None:
    shown = estimates({"control": sums(drawn(8, 20_000)), "b": sums(drawn(9, 20_000, lift=0.3))})["b"]
    assert number(shown["always_valid_low"]) > 0
    assert number(shown["always_valid_low"]) < number(shown["diff_low"])


def test_shares_that_are_not_equal_are_flagged() -> None:
    def srm(*counts: int) -> Any:
        arms = {str(at): Moments() for at in range(len(counts))}
        for moments, count in zip(arms.values(), counts, strict=True):
            moments.merge(sums([User(None, 0, 1, False)] * count))
        return estimates(arms)["0"]["srm_p"]

    assert srm(5) is None
    assert srm(50, 50) == 1.0
    assert srm(9_000, 10_000) < 1e-12
    for counts in ((480, 520), (100, 120, 140), (90, 100, 110, 130), (7, 9, 11, 4, 8), (5, 5, 9, 5, 5, 5)):
        even = sum(counts) / len(counts)
        statistic = sum((count - even) ** 2 / even for count in counts)
        assert srm(*counts) == pytest.approx(chi_square_beyond(statistic, len(counts) - 1), rel=1e-5)


def chi_square_beyond(statistic: float, freedom: int) -> float:
    """The integral of its density, by small steps, over the square root (which has no pole at 0)."""
    root = np.linspace(math.sqrt(statistic), 40, 400_001)
    density = 2 * root ** (freedom - 1) * np.exp(-(root**2) / 2)
    return float(np.trapezoid(density, root)) / (2 ** (freedom / 2) * math.gamma(freedom / 2))


def test_few_users_have_no_variance() -> None:
    one = estimates({"a": sums([User(1.5, 3, 1, False)])})["a"]
    assert (one["mean_y"], one["var_y"], one["mean_cuped"], one["theta"], one["diff"]) == (
        3,
        None,
        3,
        0,
        None,
    )
    same = [User(2.0, 3, 1, False)] * 5
    two = estimates({"a": sums(same), "b": sums(same)})
    assert (two["b"]["diff"], two["b"]["diff_low"], two["b"]["variance_reduction"]) == (0, 0, None)
    assert two["a"]["diff"] is None  # without `control`, the first by name is compared with
    assert two["b"]["always_valid_low"] is None
    never = estimates({"a": sums([User(1.0, 0, 0, False)] * 2)})["a"]
    assert (never["mean_y"], never["var_y"], never["mean_cuped"]) == (None, None, None)


def test_covariates_may_be_as_large_and_small_as_doubles_are() -> None:
    users = [User(x, y, 1, False) for x, y in [(1e308, 1), (-1e308, 2), (5e-324, 3), (0.0, 2**60)]]
    shown = estimates({"a": parted(users), "control": sums(users[:2])})
    assert number(shown["a"]["var_cuped"]) > 0
