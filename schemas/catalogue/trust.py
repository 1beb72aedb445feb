"""Trust: identity and background checks of users, and the risk in users, providers and bookings."""

from __future__ import annotations

from typing import Literal

from schemas.spec import MISSING, EventSpec
from schemas.types import Id, Payload, Score


class Check(Payload):
    """A check of a user."""

    check_id: Id
    user_id: Id


class FailedCheck(Check):
    """A check that a user did not pass."""

    reason: str | None = None


class IdvStarted(Check):
    """A user's identity check began."""


class IdvPassed(Check):
    """A user passed the identity check."""


class IdvFailed(FailedCheck):
    """A user failed the identity check."""


class BgStarted(Check):
    """A user's background check began."""


class BgPassed(Check):
    """A user passed the background check."""


class BgFailed(FailedCheck):
    """A user failed the background check."""


class RiskScored(Payload):
    """The risk in a user, a provider or a booking was scored; the latest score replaces those before."""

    subject_id: Id
    subject_kind: Literal["user", "provider", "booking"]
    score: Score
    bucket: Literal["clear", "watch", "action", "critical"]


_CHECK = {"check_id": "chk-51", "user_id": "usr-118"}
_RISK = {"subject_id": "usr-118", "subject_kind": "user", "score": 12.5, "bucket": "clear"}

EVENTS = (
    EventSpec(
        name="idv.started",
        payload=IdvStarted,
        examples=(_CHECK,),
        counter_examples=(({"check_id": MISSING}, "check_id"), ({"user_id": 118}, "user_id")),
    ),
    EventSpec(
        name="idv.passed",
        payload=IdvPassed,
        examples=(_CHECK,),
        counter_examples=(({"user_id": MISSING}, "user_id"), ({"check_id": "c" * 129}, "check_id")),
    ),
    EventSpec(
        name="idv.failed",
        payload=IdvFailed,
        examples=({**_CHECK, "reason": "document expired"}, _CHECK),
        counter_examples=(({"reason": 4}, "reason"), ({"check_id": ""}, "check_id")),
    ),
    EventSpec(
        name="bg.started",
        payload=BgStarted,
        examples=(_CHECK,),
        counter_examples=(({"check_id": None}, "check_id"), ({"user_id": []}, "user_id")),
    ),
    EventSpec(
        name="bg.passed",
        payload=BgPassed,
        examples=(_CHECK,),
        counter_examples=(({"user_id": ""}, "user_id"), ({"check_id": True}, "check_id")),
    ),
    EventSpec(
        name="bg.failed",
        payload=BgFailed,
        examples=({**_CHECK, "reason": None}, {**_CHECK, "reason": "record found"}),
        counter_examples=(({"reason": ["record"]}, "reason"), ({"user_id": None}, "user_id")),
    ),
    EventSpec(
        name="risk.scored",
        payload=RiskScored,
        examples=(
            _RISK,
            {"subject_id": "bkg-70412", "subject_kind": "booking", "score": 100, "bucket": "critical"},
        ),
        counter_examples=(
            ({"score": -0.5}, "score"),
            ({"score": 100.5}, "score"),
            ({"score": "12.5"}, "score"),
            ({"score": True}, "score"),
            ({"subject_kind": "listing"}, "subject_kind"),
            ({"bucket": "Clear"}, "bucket"),
            ({"bucket": MISSING}, "bucket"),
        ),
    ),
)
