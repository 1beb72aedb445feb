"""Experiments: which variant of the product a user was shown."""

from __future__ import annotations

from schemas.spec import MISSING, EventSpec
from schemas.types import Id, Name, Payload


class ExperimentExposure(Payload):
    """A user met a variant; the covariate is known from before the experiment, null where nothing is."""

    exp_key: Name
    variant: Name
    user_id: Id
    covariate: float | None


_EXPOSURE = {"exp_key": "search-ui", "variant": "control", "user_id": "usr-118", "covariate": 3.5}

EVENTS = (
    EventSpec(
        name="experiment.exposure",
        payload=ExperimentExposure,
        examples=(_EXPOSURE, {**_EXPOSURE, "covariate": None}, {**_EXPOSURE, "covariate": -1000000000}),
        counter_examples=(
            ({"covariate": "3.5"}, "covariate"),
            ({"covariate": True}, "covariate"),
            ({"covariate": MISSING}, "covariate"),
            ({"variant": ""}, "variant"),
            ({"exp_key": MISSING}, "exp_key"),
            ({"user_id": None}, "user_id"),
        ),
    ),
)
