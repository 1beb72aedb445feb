"""A visit: search results, clicks, profiles, and sometimes a checkout that becomes a booking."""

from __future__ import annotations

from collections.abc import Iterator

from streams.sources.market.bookings import booking
from streams.sources.market.cities import City
from streams.sources.market.simulation import Simulation

FEWEST_RESULTS, MORE_RESULTS = 4, 9
CLICK, VIEW, CHECKOUT, BOOK = 0.12, 0.70, 0.40, 0.72
LOGGED_IN = 0.6
NO_CITY = 0.005
LISTINGS, USERS = 3_000, 50_000
LISTINGS_PER_PROVIDER = 3
APPS = ("web/5.12.0", "ios/5.9.2", "android/5.10.1")


def visit(market: Simulation, city: City) -> Iterator[int]:
    """The lifecycle of one visit. Yields the times of its steps, in µs."""
    random = market.random
    number = int(random() * USERS)
    user = f"usr_{city.slug[:40]}_{number:06d}"
    known = f'"{user}"' if random() < LOGGED_IN else "null"
    place = "null" if random() < NO_CITY else f'"{city.slug}"'
    context = f'"city":{place},"trace_id":"{market.trace()}"'
    tail = f'"source":"{APPS[number % 3]}",{context}'
    session = market.identity("ses")
    key = session.encode()
    for position in range(FEWEST_RESULTS + int(random() * MORE_RESULTS)):
        listing = int(random() * random() * LISTINGS)  # some listings are seen far more than others
        listing_id = f"lst_{city.slug[:40]}_{listing:05d}"
        seen = f'"session_id":"{session}","listing_id":"{listing_id}","position":{position},"user_id":{known}'
        market.emit("search.impression", tail, key, seen)
        yield market.after(0.6)
        if random() >= CLICK:
            continue
        market.emit("search.click", tail, key, seen)
        if random() >= VIEW:
            continue
        yield market.after(1.5)
        provider = f"prv_{city.slug[:40]}_{listing // LISTINGS_PER_PROVIDER:05d}"
        viewed = f'"session_id":"{session}","provider_id":"{provider}","user_id":{known}'
        market.emit("profile.view", tail, key, viewed)
        if random() >= CHECKOUT:
            continue
        yield market.after(4)
        started = f'"session_id":"{session}","user_id":"{user}","listing_id":"{listing_id}"'
        market.emit("checkout.start", tail, key, started)
        if random() < BOOK:
            yield market.after(3)
            market.begin(booking(market, city, user, provider, context))
        return
