"""Bookings: a user asks a provider for a booking, who accepts or declines it; a confirmed one is paid for."""

from __future__ import annotations

from schemas.spec import MISSING, EventSpec
from schemas.types import Currency, Id, Instant, Money, Payload


class Booking(Payload):
    """What a user books of a provider."""

    booking_id: Id
    user_id: Id
    provider_id: Id
    amount_minor: Money
    currency: Currency


class BookingRequested(Booking):
    """A user asks a provider for a booking, to be answered by `accept_by`."""

    accept_by: Instant


class BookingAccepted(Payload):
    """The provider accepts a booking."""

    booking_id: Id
    provider_id: Id


class BookingDeclined(Payload):
    """The provider declines a booking."""

    booking_id: Id
    provider_id: Id
    reason: str | None = None


class BookingExpired(Payload):
    """Nobody answered a booking in time."""

    booking_id: Id


class BookingConfirmed(Booking):
    """A booking is confirmed: it counts towards gross merchandise value."""


class BookingCancelled(Payload):
    """A booking is cancelled; the amount is what no longer counts."""

    booking_id: Id
    amount_minor: Money
    currency: Currency
    reason: str | None = None


_BOOKING = {
    "booking_id": "bkg-70412",
    "user_id": "usr-118",
    "provider_id": "prv-31",
    "amount_minor": 12500,
    "currency": "EUR",
}

EVENTS = (
    EventSpec(
        name="booking.requested",
        payload=BookingRequested,
        examples=({**_BOOKING, "accept_by": "2026-03-02T12:00:00Z"},),
        counter_examples=(
            ({"accept_by": "2026-03-02T12:00:00"}, "accept_by"),
            ({"accept_by": 1772452800}, "accept_by"),
            ({"amount_minor": -1}, "amount_minor"),
            ({"currency": "eur"}, "currency"),
        ),
    ),
    EventSpec(
        name="booking.accepted",
        payload=BookingAccepted,
        examples=({"booking_id": "bkg-70412", "provider_id": "prv-31"},),
        counter_examples=(({"provider_id": MISSING}, "provider_id"), ({"booking_id": 70412}, "booking_id")),
    ),
    EventSpec(
        name="booking.declined",
        payload=BookingDeclined,
        examples=(
            {"booking_id": "bkg-70412", "provider_id": "prv-31", "reason": "fully booked"},
            {"booking_id": "bkg-70412", "provider_id": "prv-31", "reason": None},
        ),
        counter_examples=(({"reason": 3}, "reason"), ({"provider_id": ""}, "provider_id")),
    ),
    EventSpec(
        name="booking.expired",
        payload=BookingExpired,
        examples=({"booking_id": "bkg-70412"},),
        counter_examples=(({"booking_id": None}, "booking_id"), ({"booking_id": "b" * 129}, "booking_id")),
    ),
    EventSpec(
        name="booking.confirmed",
        payload=BookingConfirmed,
        examples=(_BOOKING,),
        counter_examples=(
            ({"user_id": MISSING}, "user_id"),
            ({"amount_minor": "12500"}, "amount_minor"),
            ({"amount_minor": 2**53}, "amount_minor"),
        ),
    ),
    EventSpec(
        name="booking.cancelled",
        payload=BookingCancelled,
        examples=(
            {"booking_id": "bkg-70412", "amount_minor": 12500, "currency": "EUR", "reason": "illness"},
            {"booking_id": "bkg-70412", "amount_minor": 0, "currency": "EUR"},
        ),
        counter_examples=(({"amount_minor": 125.5}, "amount_minor"), ({"currency": MISSING}, "currency")),
    ),
)
