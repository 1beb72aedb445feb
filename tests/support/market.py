"""Taking a simulated marketplace's records in batches."""

from __future__ import annotations

from collections.abc import Iterator

from streams.sources.market import Market, Record

BATCH = 1_000


def batches(market: Market, size: int = BATCH, count: int | None = None) -> Iterator[list[Record]]:
    """Batches of up to `size` records: `count` in all, or without end."""
    while count is None or count > 0:
        batch = market.advance(size if count is None else min(size, count))
        if count is not None:
            count -= len(batch)
        yield batch
