"""Search: what sessions see and click on their way to a booking."""

from __future__ import annotations

from schemas.spec import MISSING, EventSpec
from schemas.types import Id, Payload, Position


class SearchResult(Payload):
    """A listing in a list of results."""

    session_id: Id
    listing_id: Id
    position: Position
    user_id: Id | None = None


class SearchImpression(SearchResult):
    """A listing was shown in a list of results."""


class SearchClick(SearchResult):
    """A listing in a list of results was clicked."""


class ProfileView(Payload):
    """A provider's profile was opened."""

    session_id: Id
    provider_id: Id
    user_id: Id | None = None


class CheckoutStart(Payload):
    """A user began to check out."""

    session_id: Id
    user_id: Id
    listing_id: Id | None = None


EVENTS = (
    EventSpec(
        name="search.impression",
        payload=SearchImpression,
        examples=(
            {"session_id": "ses-5512", "listing_id": "lst-902", "position": 3, "user_id": "usr-118"},
            {"session_id": "ses-5512", "listing_id": "lst-902", "position": 0},
        ),
        counter_examples=(({"position": -1}, "position"), ({"position": True}, "position")),
    ),
    EventSpec(
        name="search.click",
        payload=SearchClick,
        examples=({"session_id": "ses-5512", "listing_id": "lst-902", "position": 3, "user_id": None},),
        counter_examples=(({"position": 1.5}, "position"), ({"listing_id": MISSING}, "listing_id")),
    ),
    EventSpec(
        name="profile.view",
        payload=ProfileView,
        examples=(
            {"session_id": "ses-5512", "provider_id": "prv-31", "user_id": "usr-118"},
            {"session_id": "ses-5512", "provider_id": "prv-31"},
        ),
        counter_examples=(({"session_id": MISSING}, "session_id"), ({"user_id": ""}, "user_id")),
    ),
    EventSpec(
        name="checkout.start",
        payload=CheckoutStart,
        examples=(
            {"session_id": "ses-5512", "user_id": "usr-118", "listing_id": "lst-902"},
            {"session_id": "ses-5512", "user_id": "usr-118"},
        ),
        counter_examples=(({"user_id": None}, "user_id"), ({"listing_id": ["lst-902"]}, "listing_id")),
    ),
)
