"""Every event there is: the market workload (market.py) with all domains of the marketplace."""

from __future__ import annotations

from collections.abc import Iterator

from streams.sources.market import Record
from tests.bench.workloads import market


def events(count: int) -> Iterator[Record]:
    """`count` records in the order of sending."""
    return market.events(count, kept=None)
