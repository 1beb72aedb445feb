"""Experiments beside spotify-confidence: the difference and its interval, with the covariate and without."""

from __future__ import annotations

import json
import math
import random
import subprocess

import pytest

from tables.experiments.estimates import estimates
from tables.experiments.moments import Moments, User
from tests.support.readers import confidence
from tests.support.readers.environment import PYTHON, SECONDS


def users(seed: int, lift: float) -> list[User]:
    draw = random.Random(seed)
    found = []
    for _ in range(3_000):
        x = draw.gauss(0, 1)
        y = sum(draw.random() < min(1.0, math.exp(0.4 * x) * (0.2 + lift)) for _ in range(5))
        found.append(User(x, y, 1, False))
    return found


def totals(of: list[User]) -> dict[str, float]:
    xs = [(user.x or 0.0, user.y) for user in of]
    return {
        "users": len(of), "y": sum(y for _, y in xs), "yy": sum(y * y for _, y in xs),
        "x": math.fsum(x for x, _ in xs), "xx": math.fsum(x * x for x, _ in xs),
        "xy": math.fsum(x * y for x, y in xs),
    }  # fmt: skip


@pytest.mark.parametrize("lift", [0.0, 0.05])
def test_the_interval_is_that_of_spotify_confidence(lift: float) -> None:
    variants = {"control": users(1, 0.0), "other": users(2, lift)}
    asked = json.dumps({name: totals(of) for name, of in variants.items()})
    done = subprocess.run(
        [str(PYTHON), confidence.__file__], input=asked, capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    plain, adjusted = json.loads(done.stdout.splitlines()[-1])
    for expected, with_x, digits in ((plain, False, 1e-9), (adjusted, True, 1e-3)):
        sums = {name: Moments() for name in variants}
        for name, of in variants.items():
            for user in of:
                sums[name].add(user if with_x else user._replace(x=None))
        shown = estimates(sums)["other"]
        # It takes theta from within the variants, and so differs a little.
        width = expected[2] - expected[1]
        for name, value in zip(("diff", "diff_low", "diff_high"), expected, strict=True):
            assert shown[name] == pytest.approx(value, abs=digits * width)
