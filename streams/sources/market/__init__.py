"""A made-up marketplace: seeded, so that the same seed gives the same events byte for byte.

`Market` is a discrete-event simulation (`Simulation`): a heap of lifecycles (a visit, a booking, a payment,
a check, a message, …), each of them a generator that emits its due events and yields the time of its next
step. Faults (late, repeated, bad and leaking events) are put on top, by share, and incidents (`Scenario`) for
a while.
"""

from streams.sources.market.cities import City, choose_cities
from streams.sources.market.faults import Faults
from streams.sources.market.market import Market
from streams.sources.market.scenarios import Scenario, choose_scenarios
from streams.sources.market.simulation import Record

__all__ = ["City", "Faults", "Market", "Record", "Scenario", "choose_cities", "choose_scenarios"]
