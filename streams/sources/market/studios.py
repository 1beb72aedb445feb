"""Studios: verification, the use of what they offer, and quotes."""

from __future__ import annotations

from collections.abc import Iterator

from streams.sources.market.cities import City
from streams.sources.market.simulation import Simulation

STUDIOS = 300
VERIFIED, REJECTED = 0.75, 0.18  # what is left is never decided
ACCEPTED, DECLINED, EXPIRED = 0.50, 0.20, 0.22  # what is left stays open
AMENITIES = ("parking", "lights", "backdrop", "kitchen", "changing-room")
MOST_AMENITIES, MOST_OF_ONE = 3, 4


def studio_of(market: Simulation, city: City) -> str:
    """One of the city's studios."""
    return f"std_{city.slug[:40]}_{int(market.random() * STUDIOS):03d}"


def verification(market: Simulation, studio_id: str, context: str) -> Iterator[int]:
    """A studio asks to be verified."""
    key, tail = studio_id.encode(), f'"source":"studio-service",{context}'
    facts = f'"studio_id":"{studio_id}"'
    market.emit("studio.verification_requested", tail, key, facts)
    yield market.after(20)
    fate = market.random()
    if fate < VERIFIED:
        market.emit("studio.verified", tail, key, facts)
    elif fate < VERIFIED + REJECTED:
        market.emit("studio.rejected", tail, key, facts)


def stay(market: Simulation, studio_id: str, context: str) -> Iterator[int]:
    """Somebody uses some of what a studio offers."""
    random = market.random
    key, tail = studio_id.encode(), f'"source":"studio-service",{context}'
    for _ in range(1 + int(random() * MOST_AMENITIES)):
        amenity = AMENITIES[int(random() * len(AMENITIES))]
        quantity = 1 + int(random() * random() * MOST_OF_ONE)
        facts = f'"studio_id":"{studio_id}","amenity":"{amenity}","quantity":{quantity}'
        market.emit("amenity.used", tail, key, facts)
        yield market.after(2)


def quote(market: Simulation, studio_id: str, context: str) -> Iterator[int]:
    """A studio is asked for a quote."""
    quote_id = market.identity("quo")
    key, tail = quote_id.encode(), f'"source":"studio-service",{context}'
    facts = f'"quote_id":"{quote_id}","studio_id":"{studio_id}"'
    market.emit("quote.requested", tail, key, facts)
    yield market.after(10)
    fate = market.random()
    if fate < ACCEPTED:
        market.emit("quote.accepted", tail, key, facts)
    elif fate < ACCEPTED + DECLINED:
        market.emit("quote.declined", tail, key, facts)
    elif fate < ACCEPTED + DECLINED + EXPIRED:
        yield market.after(10)
        market.emit("quote.expired", tail, key, facts)
