"""The marketplace: a simulation whose visits arrive in the rhythm of its cities."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from math import log

from streams.sources.market.cities import busyness
from streams.sources.market.simulation import SECOND, Simulation
from streams.sources.market.towns import Town
from streams.sources.market.visits import visit

EVENTS_PER_VISIT = 14.13
"""Mean of good events of a visit and of all that follows from it; a test holds it against the lifecycles.
0.3 of them are exposures: once all users were exposed, the rate is 2 % lower."""
SLOT = 600 * SECOND
"""How long the cities' rhythm is taken as constant, in µs."""


class Market(Simulation):
    """A marketplace that yields its events in the order of sending, the same ones for the same arguments.

    `rate` is the mean of records per second of virtual time over a day; they follow the cities' rhythm around
    it, unless `flat`. The market begins empty, so the first minute is quieter. Memory is what is under way:
    the visits, payments and other lifecycles of some 10 s, what is held back as late, and for each city a bit
    for each of its users and one campaign. Raises what `Simulation` raises.
    """

    def arrivals(self) -> Iterator[int]:
        """Begins visits: a Poisson process whose rate follows the rhythm, slot by slot."""
        cities, random, at = self.cities, self.random, self.now
        towns = [Town(city) for city in cities]
        visits_per_us = self.rate / self.faults.records_per_event / EVENTS_PER_VISIT / SECOND
        while True:
            slot_end = (at // SLOT + 1) * SLOT
            shares = busyness(cities, at // SLOT * SLOT, self.flat)
            last, per_us = len(cities) - 1, visits_per_us * shares[-1]
            while True:
                at += int(log(1.0 - random()) / -per_us) + 1
                if at >= slot_end:
                    break
                yield at
                self.begin(visit(self, towns[min(bisect(shares, random() * shares[-1]), last)]))
            at = slot_end  # memoryless: what was drawn beyond the slot is drawn again
