"""What an experiment's sums say: CUPED means, differences with their intervals, and what flags a broken one.

CUPED: Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data" (WSDM 2013). The variance of a ratio is that of its linear approximation (delta method).

The always-valid interval is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and
Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences" (Annals of Statistics 2024,
theorem 2.2): over all the times that it is looked at, it leaves the true difference out with a probability of
at most `ALPHA`, in the limit of many users.

All is computed in exact fractions and rounded once, when it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from tables.experiments.moments import Moments

ALPHA = 0.05
"""One minus the level of both intervals."""
TUNED_FOR_USERS = 10_000
"""The number of users, in both variants together, at which the always-valid interval is narrowest."""
FROM_USERS = 100
"""Users that each of both variants has before there is an always-valid interval: its theorem is one of many
users, and what comes before is not looked at."""
CONTROL = "control"

_Z = NormalDist().inv_cdf(1 - ALPHA / 2)
_LOG = -2 * math.log(ALPHA)
_RHO_2 = (_LOG + math.log(_LOG + 1)) / TUNED_FOR_USERS

Estimates = dict[str, int | float | None]
"""By the name of the measure."""


@dataclass(frozen=True)
class _Arm:
    """A variant's mean and sample variance, plain and by CUPED; None where there are too few users."""

    users: int
    mean: Fraction | None
    var: Fraction | None
    mean_cuped: Fraction | None
    var_cuped: Fraction | None


@dataclass(frozen=True)
class _Covariate:
    """theta and the covariate's mean, over all users of an experiment that have one."""

    theta: Fraction
    mean: Fraction


def estimates(variants: Mapping[str, Moments]) -> dict[str, Estimates]:
    """The measures of each variant of an experiment, by its name, but for the sums that it has itself.

    A number that no double can hold is null.
    """
    pool = Moments()
    for moments in variants.values():
        pool.merge(moments)
    covariate = _covariate(pool)
    arms = {name: _arm(moments, covariate) for name, moments in variants.items()}
    control = CONTROL if CONTROL in arms else min(arms)
    srm_p = _srm_p([moments.users for moments in variants.values()])
    return {
        name: {
            "mean_y": _double(arm.mean),
            "var_y": _double(arm.var),
            "theta": _double(covariate.theta),
            "mean_cuped": _double(arm.mean_cuped),
            "var_cuped": _double(arm.var_cuped),
            "variance_reduction": _double(_reduction(arm)),
            **_difference(arm, None if name == control else arms[control]),
            "srm_p": srm_p,
        }
        for name, arm in arms.items()
    }


def _covariate(pool: Moments) -> _Covariate:
    """cov(x, y) ÷ var(x), 0 where the covariate does not vary; of a ratio y is its linear approximation."""
    if not pool.known:
        return _Covariate(Fraction(0), Fraction(0))
    total = pool.real(pool.x)
    mean = total / pool.known
    spread = pool.real(pool.xx, 2) - total * mean
    if not spread or not pool.z_known:
        return _Covariate(Fraction(0), mean)
    ratio, size = Fraction(pool.y_known, pool.z_known), Fraction(pool.z_known, pool.known)
    return _Covariate((pool.real(pool.xy) - ratio * pool.real(pool.xz)) / size / spread, mean)


def _arm(sums: Moments, covariate: _Covariate) -> _Arm:
    users = sums.users
    if not sums.z:
        return _Arm(users, None, None, None, None)
    theta, mean_x = covariate.theta, covariate.mean
    mean, size = Fraction(sums.y, sums.z), Fraction(sums.z, users)
    # Per user: l = (y - mean·z) ÷ size, which sums up to 0, and d = x - mean_x, 0 without a covariate.
    total = sums.real(sums.x)
    ll = (sums.yy - 2 * mean * sums.yz + mean * mean * sums.zz) / (size * size)
    d = total - sums.known * mean_x
    dd = sums.real(sums.xx, 2) - 2 * mean_x * total + sums.known * mean_x * mean_x
    centred = sums.y_known - mean * sums.z_known
    ld = (sums.real(sums.xy) - mean * sums.real(sums.xz) - mean_x * centred) / size
    adjusted = ll - 2 * theta * ld + theta * theta * (dd - d * d / users)
    return _Arm(
        users,
        mean,
        ll / (users - 1) if users > 1 else None,
        mean - theta * d / users,
        adjusted / (users - 1) if users > 1 else None,
    )


def _reduction(arm: _Arm) -> Fraction | None:
    return 1 - arm.var_cuped / arm.var if arm.var and arm.var_cuped is not None else None


def _difference(arm: _Arm, control: _Arm | None) -> Estimates:
    """To the control, with both intervals; null for the control itself."""
    names = ("diff", "diff_low", "diff_high", "always_valid_low", "always_valid_high")
    none: Estimates = dict.fromkeys(names)
    if control is None or arm.mean_cuped is None or control.mean_cuped is None:
        return none
    found = _double(arm.mean_cuped - control.mean_cuped)
    if found is None or arm.var_cuped is None or control.var_cuped is None:
        return {**none, "diff": found}
    variance = _double(arm.var_cuped / arm.users + control.var_cuped / control.users)
    if variance is None:
        return {**none, "diff": found}
    error = math.sqrt(variance)
    always = error * _boundary(arm.users + control.users)
    known = min(arm.users, control.users) >= FROM_USERS
    low, high = (found - always, found + always) if known else (None, None)
    return dict(zip(names, (found, found - _Z * error, found + _Z * error, low, high), strict=True))


def _boundary(users: int) -> float:
    """Half the always-valid interval, in standard errors of a mean of so many users."""
    scaled = users * _RHO_2 + 1
    return math.sqrt(2 * scaled / (users * _RHO_2) * math.log(math.sqrt(scaled) / ALPHA))


def _srm_p(users: list[int]) -> float | None:
    """The p-value of equal shares (Pearson's chi-square); null for one variant alone."""
    if len(users) < 2:
        return None
    total = sum(users)
    statistic = sum((len(users) * count - total) ** 2 for count in users) / (len(users) * total)
    return _chi_square_tail(statistic, len(users) - 1)


def _chi_square_tail(statistic: float, freedom: int) -> float:
    """How probable a chi-square beyond `statistic` is: the finite series for whole degrees of freedom."""
    half = statistic / 2
    if not half:
        return 1.0
    tail, at = (math.exp(-half), 1.0) if freedom % 2 == 0 else (math.erfc(math.sqrt(half)), 0.5)
    while at < freedom / 2:
        tail += math.exp(at * math.log(half) - half - math.lgamma(at + 1))
        at += 1
    return min(1.0, tail)


def _double(number: Fraction | None) -> float | None:
    try:
        return None if number is None else float(number)
    except OverflowError:
        return None
