"""A booking: requested; accepted, declined or expired; if accepted, confirmed and charged, or cancelled."""

from __future__ import annotations

from collections.abc import Iterator

from streams.sources.market.beside import beside_booking
from streams.sources.market.cities import City
from streams.sources.market.comms import message
from streams.sources.market.payments import Deal, payment
from streams.sources.market.simulation import Simulation

ACCEPTED, DECLINED = 0.78, 0.12  # what is left expires
CANCELLED_EARLY = 0.04
ACCEPT_SECONDS = 60
LEAST_MINOR = 1_000
DECLINE_REASONS = ("calendar_full", "too_far", "no_reason_given")


def booking(market: Simulation, city: City, user: str, provider: str, context: str) -> Iterator[int]:
    """The lifecycle of one booking up to its confirmation. Yields the times of its steps, in µs."""
    random = market.random
    booking_id = market.identity("bkg")
    key = booking_id.encode()
    amount = max(LEAST_MINOR, int(city.price_minor * (0.4 + 1.8 * random() * random())))
    money = f'"amount_minor":{amount},"currency":"{city.currency}"'
    parties = f'"booking_id":"{booking_id}","user_id":"{user}","provider_id":"{provider}"'
    tail = f'"source":"booking-service",{context}'
    accept_by = market.now + ACCEPT_SECONDS * 1_000_000
    market.emit(
        "booking.requested", tail, key, f'{parties},{money},"accept_by":"{market.instant(accept_by)}"'
    )
    market.begin(message(market, user, "booking-requested", context))
    beside_booking(market, booking_id, context)
    answer = f'"booking_id":"{booking_id}","provider_id":"{provider}"'
    fate = random()
    if fate >= ACCEPTED + DECLINED:
        yield max(market.after(2), accept_by + 1)
        market.emit("booking.expired", tail, key, f'"booking_id":"{booking_id}"')
        market.begin(message(market, user, "booking-expired", context))
        return
    yield min(market.after(6), accept_by - 1)
    if fate >= ACCEPTED:
        reason = DECLINE_REASONS[int(random() * 3)]
        market.emit("booking.declined", tail, key, f'{answer},"reason":"{reason}"')
        market.begin(message(market, user, "booking-declined", context))
        return
    market.emit("booking.accepted", tail, key, answer)
    yield market.after(1)
    if random() < CANCELLED_EARLY:
        market.emit(
            "booking.cancelled", tail, key, f'"booking_id":"{booking_id}",{money},"reason":"changed_mind"'
        )
        return
    market.emit("booking.confirmed", tail, key, f"{parties},{money}")
    market.begin(message(market, user, "booking-confirmed", context))
    market.begin(payment(market, Deal(booking_id, provider, amount, city.currency, tail, context)))
