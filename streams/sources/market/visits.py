"""A visit: search results, clicks, profiles, and sometimes a checkout that becomes a booking."""

from __future__ import annotations

from collections.abc import Iterator

from streams.sources.market.beside import beside_visit
from streams.sources.market.bookings import booking
from streams.sources.market.cities import City
from streams.sources.market.experiments import expose, willingness
from streams.sources.market.promotions import promote
from streams.sources.market.simulation import Simulation
from streams.sources.market.towns import USERS, Town

FEWEST_RESULTS, MORE_RESULTS = 4, 9
CLICK, VIEW, BOOK = 0.12, 0.70, 0.72
WILLING = 0.45
"""Share of the visits that check out with the first provider they look at, on the mean over users."""
PROMOTED = 0.18
LOGGED_IN = 0.6
NO_CITY = 0.005
LISTINGS = 3_000
LISTINGS_PER_PROVIDER = 3
APPS = ("web/5.12.0", "ios/5.9.2", "android/5.10.1")


def visit(market: Simulation, town: Town) -> Iterator[int]:
    """The lifecycle of one visit. Yields the times of its steps, in µs."""
    random, city = market.random, town.city
    user = town.user(int(random() * USERS))
    logged_in = random() < LOGGED_IN
    known = f'"{user.user_id}"' if logged_in else "null"
    place = "null" if random() < NO_CITY else f'"{city.slug}"'
    trace = f'"trace_id":"{market.trace()}"'
    context = f'"city":{place},{trace}'
    tail = f'"source":"{APPS[user.number % 3]}",{context}'
    session = market.identity("ses")
    key = session.encode()
    if logged_in:
        expose(market, town, user, tail)
    willing = random() < WILLING * willingness(town, user)
    beside_visit(market, town, user.user_id, _provider(city, int(random() * LISTINGS)), trace)
    for position in range(FEWEST_RESULTS + int(random() * MORE_RESULTS)):
        listing = int(random() * random() * LISTINGS)  # some listings are seen far more than others
        listing_id = f"lst_{city.slug[:40]}_{listing:05d}"
        seen = f'"session_id":"{session}","listing_id":"{listing_id}","position":{position},"user_id":{known}'
        market.emit("search.impression", tail, key, seen)
        if random() < PROMOTED:
            promote(market, town, session, trace)
        yield market.after(0.6)
        if random() >= CLICK:
            continue
        market.emit("search.click", tail, key, seen)
        if random() >= VIEW:
            continue
        yield market.after(1.5)
        provider = _provider(city, listing)
        viewed = f'"session_id":"{session}","provider_id":"{provider}","user_id":{known}'
        market.emit("profile.view", tail, key, viewed)
        if not willing:
            continue
        yield market.after(4)
        started = f'"session_id":"{session}","user_id":"{user.user_id}","listing_id":"{listing_id}"'
        market.emit("checkout.start", tail, user.user_id.encode(), started)
        if random() < BOOK:
            yield market.after(3)
            market.begin(booking(market, city, user.user_id, provider, context))
        return


def _provider(city: City, listing: int) -> str:
    return f"prv_{city.slug[:40]}_{listing // LISTINGS_PER_PROVIDER:05d}"
