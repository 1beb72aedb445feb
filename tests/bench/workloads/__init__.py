"""What the contestants read: generated events, the same ones, byte for byte, on every machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from streams.sources.market import Record
from tests.bench.workloads import catalogue, market, payments


class Workload(NamedTuple):
    """Events, of which exactly every `bad_every`th is bad, and the size of the batches they are sent in."""

    events: Callable[[int], Iterator[Record]]
    batch_bytes: int
    bad_every: int


WORKLOADS = {
    "market": Workload(market.events, 64 * 1024, market.BAD_EVERY),
    "catalogue": Workload(catalogue.events, 64 * 1024, market.BAD_EVERY),
    "payments": Workload(payments.events, 1024 * 1024, market.BAD_EVERY),
}
"""By name."""
