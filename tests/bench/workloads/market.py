"""The generated events that every contestant reads: the same ones, byte for byte, on every machine.

Made by the simulated marketplace of `streams.sources.market`, with four changes, so that money is more
than a rounding error: only searches, bookings and payments are kept, nine of ten search impressions are left
out (then searches are 70 % of the events, bookings 13 % and payments 17 %), there are 50 cities with three
currencies, and exactly every hundredth record is a bad one, for every reason that there is. Half a percent of
the events are sent twice and one percent comes late.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import UTC, datetime
from random import Random

from schemas.catalogue import EVENTS
from streams.sources.market import City, Faults, Market, Record
from streams.sources.market.bad import draw_reason, spoil
from tests.support.market import batches

SEED = 20_260_301
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CITIES = 50
CURRENCIES = ("EUR", "USD", "GBP")
EVENTS_PER_SECOND = 2_000.0
"""Of event time, and of the records' Kafka timestamps."""
IMPRESSIONS_KEPT = 10
"""One of so many search impressions is kept."""
MARKET_RECORDS_PER_EVENT = 4.19
"""Records of the marketplace for each one that is left after the impressions are thinned out."""
KEPT = frozenset(
    name.partition(".")[0].encode()
    for name, spec in EVENTS.items()
    if spec.domain in {"search", "bookings", "payments"}
)
"""What the kept events' names begin with."""
BAD_EVERY = 100
MAX_EVENT_BYTES = 65_536


def market(rate: float, start: datetime = START) -> Market:
    """The marketplace, so set that about `rate` events a second of event time are left."""
    cities = [City(f"city-{n:02d}", CURRENCIES[n % 3], 0.0, 1 + 100 / (n + 10), 9_000) for n in range(CITIES)]
    faults = Faults(late=0.01, duplicates=0.005)
    return Market(SEED, start, cities, rate=rate * MARKET_RECORDS_PER_EVENT, flat=True, faults=faults)


def events(
    count: int | None,
    rate: float = EVENTS_PER_SECOND,
    start: datetime = START,
    kept: Container[bytes] | None = KEPT,
) -> Iterator[Record]:
    """`count` records, or an endless stream of them, in the order of sending; every `BAD_EVERY`th is bad.

    `kept`: what the names of the events begin with; None: all.
    """
    draw = Random(SEED).random
    made = impressions = 0
    for batch in batches(market(rate, start)):
        for record in batch:
            value = record.value
            assert value is not None
            if kept is not None and value.partition(b'"event":"')[2].partition(b".")[0] not in kept:
                continue
            if b'"search.impression"' in value:
                impressions += 1
                if impressions % IMPRESSIONS_KEPT:
                    continue
            made += 1
            if made % BAD_EVERY == 0:
                spoiled, _ = spoil(draw_reason(draw), value, draw, MAX_EVENT_BYTES)
                yield record._replace(value=spoiled)
            else:
                yield record
            if made == count:
                return
