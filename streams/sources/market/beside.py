"""What visits and bookings set off beside themselves, each by its share: checks, scores, digests, studios."""

from __future__ import annotations

from streams.sources.market.comms import digest
from streams.sources.market.simulation import Simulation
from streams.sources.market.studios import quote, stay, studio_of, verification
from streams.sources.market.towns import Town
from streams.sources.market.trust import check, risk

IDENTITY_CHECK, BACKGROUND_CHECK = 0.06, 0.03
USER_SCORED, PROVIDER_SCORED, BOOKING_SCORED = 0.18, 0.06, 0.5
DIGEST = 0.5
STUDIO_STAY, STUDIO_QUOTE, STUDIO_VERIFICATION = 0.15, 0.12, 0.02


def beside_visit(market: Simulation, town: Town, user_id: str, provider: str, trace: str) -> None:
    """Begin what a visit sets off. It is the city's own: scores of a user are never without a city."""
    random, begin = market.random, market.begin
    context = f'"city":"{town.city.slug}",{trace}'
    if random() < IDENTITY_CHECK:
        begin(check(market, "idv", user_id, context))
    if random() < BACKGROUND_CHECK:
        begin(check(market, "bg", user_id, context))
    if random() < USER_SCORED:
        begin(risk(market, "user", user_id, context))
    if random() < PROVIDER_SCORED:
        begin(risk(market, "provider", provider, context))
    if random() < DIGEST:
        begin(digest(market, user_id, context))
    if random() < STUDIO_STAY:
        begin(stay(market, studio_of(market, town.city), context))
    if random() < STUDIO_QUOTE:
        begin(quote(market, studio_of(market, town.city), context))
    if random() < STUDIO_VERIFICATION:
        begin(verification(market, studio_of(market, town.city), context))


def beside_booking(market: Simulation, booking_id: str, context: str) -> None:
    """Begin what a requested booking sets off."""
    if market.random() < BOOKING_SCORED:
        market.begin(risk(market, "booking", booking_id, context))
