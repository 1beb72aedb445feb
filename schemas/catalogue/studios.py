"""Studios: rooms that are verified, used and asked to quote for."""

from __future__ import annotations

from schemas.spec import MISSING, EventSpec
from schemas.types import Id, Name, Payload, Quantity


class Studio(Payload):
    """A studio."""

    studio_id: Id


class StudioVerificationRequested(Studio):
    """A studio asked to be verified."""


class StudioVerified(Studio):
    """A studio was verified."""


class StudioRejected(Studio):
    """A studio was not verified."""


class AmenityUsed(Studio):
    """Something that a studio offers was used, `quantity` times."""

    amenity: Name
    quantity: Quantity = 1


class Quote(Payload):
    """What a studio would ask for."""

    quote_id: Id
    studio_id: Id


class QuoteRequested(Quote):
    """A studio was asked for a quote."""


class QuoteAccepted(Quote):
    """A studio's quote was accepted."""


class QuoteDeclined(Quote):
    """A studio's quote was declined."""


class QuoteExpired(Quote):
    """Nobody answered a studio's quote in time."""


_STUDIO = {"studio_id": "std-9"}
_QUOTE = {"quote_id": "quo-44", "studio_id": "std-9"}

EVENTS = (
    EventSpec(
        name="studio.verification_requested",
        payload=StudioVerificationRequested,
        examples=(_STUDIO,),
        counter_examples=(({"studio_id": MISSING}, "studio_id"),),
    ),
    EventSpec(
        name="studio.verified",
        payload=StudioVerified,
        examples=(_STUDIO,),
        counter_examples=(({"studio_id": 9}, "studio_id"),),
    ),
    EventSpec(
        name="studio.rejected",
        payload=StudioRejected,
        examples=(_STUDIO,),
        counter_examples=(({"studio_id": None}, "studio_id"), ({"studio_id": "s" * 129}, "studio_id")),
    ),
    EventSpec(
        name="amenity.used",
        payload=AmenityUsed,
        examples=({**_STUDIO, "amenity": "parking", "quantity": 3}, {**_STUDIO, "amenity": "parking"}),
        counter_examples=(
            ({"quantity": 0}, "quantity"),
            ({"quantity": 1.5}, "quantity"),
            ({"quantity": None}, "quantity"),
            ({"amenity": ""}, "amenity"),
        ),
    ),
    EventSpec(
        name="quote.requested",
        payload=QuoteRequested,
        examples=(_QUOTE,),
        counter_examples=(({"quote_id": MISSING}, "quote_id"), ({"studio_id": False}, "studio_id")),
    ),
    EventSpec(
        name="quote.accepted",
        payload=QuoteAccepted,
        examples=(_QUOTE,),
        counter_examples=(({"quote_id": 44}, "quote_id"),),
    ),
    EventSpec(
        name="quote.declined",
        payload=QuoteDeclined,
        examples=(_QUOTE,),
        counter_examples=(({"studio_id": MISSING}, "studio_id"),),
    ),
    EventSpec(
        name="quote.expired",
        payload=QuoteExpired,
        examples=(_QUOTE,),
        counter_examples=(({"quote_id": ""}, "quote_id"),),
    ),
)
