"""Running a simulated marketplace: when which of its records may go out, and writing them to an NDJSON file.

Sending them to Kafka is what a replay does too: a `Simulation` is a `Source`.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from streams.sources.market import Market
from streams.sources.market.simulation import Record as MarketRecord
from streams.sources.record import Record

Horizon = Callable[[], int | None]
"""Up to which virtual time, in µs since the epoch, records may go out now; None: no limit."""

CHUNK = 500
WAIT_SECONDS = 0.01
GZIP_LEVEL = 6


def unpaced() -> int | None:
    """As fast as possible."""
    return None


def not_ahead_of_the_clock() -> int:
    """As fast as possible, but no event before it happens: it would be refused as coming from the future."""
    return time.time_ns() // 1_000


def real_time(market: Market) -> Horizon:
    """The virtual clock goes as fast as the real one, from the first call on."""
    started: list[float] = []

    def horizon() -> int:
        now = time.monotonic()
        if not started:
            started.append(now)
        return market.start_us + int((now - started[0]) * 1_000_000)

    return horizon


class Simulation:
    """A market up to its end: `count` records or the virtual time `end_us`, whichever is first."""

    name = "simulate"

    def __init__(self, market: Market, horizon: Horizon, count: int | None, end_us: int | None) -> None:
        self.market = market
        self.taken = 0
        """Records handed out so far."""
        self._horizon = horizon
        self._count = count
        self._end_us = end_us

    @property
    def fraction(self) -> float | None:
        """How much of it is over, 0 to 1; None if it is endless."""
        if self._count is not None:
            return self.taken / self._count
        if self._end_us is not None:
            return min(1.0, (self.market.now - self.market.start_us) / (self._end_us - self.market.start_us))
        return None

    def take(self, limit: int) -> list[MarketRecord] | None:
        """Up to `limit` records that are due; empty if none is due yet, None at the end."""
        if self._count is not None:
            limit = min(limit, self._count - self.taken)
            if limit == 0:
                return None
        until = self._horizon()
        last = self._end_us is not None and (until is None or until >= self._end_us)
        records = self.market.advance(limit, self._end_us if last else until)
        self.taken += len(records)
        return None if last and not records else records

    def records(self) -> Iterator[Record]:
        """All records, each as it is due: waits for the clock, so it is for a thread of its own."""
        for batch in self.batches():
            for number, record in enumerate(batch, self.taken - len(batch) + 1):
                yield Record(number, record.key, record.value)

    def batches(self) -> Iterator[list[MarketRecord]]:
        """All records in batches; an empty one means that nothing was due for a moment."""
        while (batch := self.take(CHUNK)) is not None:
            yield batch
            if not batch:
                time.sleep(WAIT_SECONDS)


def write_ndjson(simulation: Simulation, stream: IO[bytes], stopped: Callable[[], bool]) -> int:
    """Write one line a record until the end, or until `stopped`. Returns the bytes of all values.

    A record without bytes is an empty line, which a replay leaves out. Raises OSError.
    """
    value_bytes = 0
    for batch in simulation.batches():
        lines = b"\n".join([record.value or b"" for record in batch]) + b"\n" if batch else b""
        value_bytes += len(lines) - len(batch)
        if batch:
            stream.write(lines)
        else:
            stream.flush()  # who reads a pipe at a slow rate wants to see it
        if stopped():
            break
    stream.flush()
    return value_bytes


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, gzip if its name ends in .gz; the same lines give the same bytes. Raises OSError."""
    with path.open("wb") as raw:
        if path.suffix != ".gz":
            yield raw
            return
        # Neither name nor time in its header: they would differ from run to run.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=raw, mtime=0) as packed:
            yield packed  # type: ignore[misc]
