"""What Bronze costs: requests, bytes and money, worked out from what closes its ranges (docs/cost.md).

Of a range the number of objects is an expectation: that of the different objects among so many events drawn
independently. Real events come in bursts, of fewer kinds each, so the truth is a little below it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agents.bronze.layout import Layout

PUTS_PER_RANGE = 3
"""The intent, its seal and the commit; the objects come on top."""
GETS_PER_RANGE = 1
"""The intent, read again for its seal."""
GZIP_RATIO = 0.206
"""Bytes that are stored for a byte of raw value, of the simulated marketplace in large objects."""
OBJECT_BYTES = 610
"""What an object has beyond that: what gzip learns anew in each, and its entries in the intent and commit."""
RANGE_BYTES = 700
"""An intent and a commit, without their entries."""
DAY_SECONDS = 86_400
MONTH_DAYS = 30


class Share(NamedTuple):
    """Which part of all events lies in each of so many `objects` of a range."""

    part: float
    objects: int = 1


@dataclass(frozen=True)
class Traffic:
    """What comes in, over all raw topics and partitions.

    `shares`: of all objects that there can be; with as many objects their parts are 1 in all.
    `gzip_ratio`: bytes stored for a byte of raw value, in large objects.
    """

    events_per_second: float
    bytes_per_event: float
    shares: Sequence[Share]
    gzip_ratio: float = GZIP_RATIO


@dataclass(frozen=True)
class Limits:
    """What closes a range: SLUICE_BRONZE_MAX_SECONDS, SLUICE_BRONZE_MAX_BYTES, and how many partitions share
    the traffic."""

    partitions: int
    max_seconds: float
    max_bytes: float


@dataclass(frozen=True)
class Prices:
    """Of the store, in US dollars: 1,000 PUTs or LISTs, 1,000 GETs, a GB in a month.

    The defaults are assumptions: list prices of S3 Standard in us-east-1 as of 2025.
    """

    puts: float = 0.005
    gets: float = 0.0004
    gb_month: float = 0.023


class RangeCost(NamedTuple):
    """What one range takes; numbers that are expectations are fractions."""

    objects: float
    puts: float
    gets: float
    stored_bytes: float


class Cost(NamedTuple):
    """What a month of 30 days takes. `kept_dollars`: the price of one month's bytes for a month of keeping
    them; `closes_by`: what closes ranges, `seconds` or `bytes`; `held_bytes`: in the memory of the workers,
    when ranges are closed."""

    range_events: float
    range_seconds: float
    closes_by: str
    range_objects: float
    puts: float
    gets: float
    stored_bytes: float
    held_bytes: float
    request_dollars: float
    kept_dollars: float


def even_shares(layout: Layout, events: Collection[str], days: int, cities: int) -> list[Share]:
    """The shares where all these events come equally often, which makes the most objects that there can be.

    `days`: on how many days the events of a range occurred; `cities`: how many there are, for the events that
    lie by city.
    """
    objects = [days * (cities if event in layout.by_city else 1) for event in events]
    return [Share(1 / (len(events) * count), count) for count in objects]


def objects_among(shares: Iterable[Share], events: float) -> float:
    """How many different objects so many events make: of each the probability that it has any of them."""
    return math.fsum(objects * _any_of(events, part) for part, objects in shares)


def _any_of(events: float, part: float) -> float:
    return 1.0 if part >= 1 else -math.expm1(events * math.log1p(-part))


def cost_of_range(traffic: Traffic, events: float) -> RangeCost:
    """What a range of so many events takes."""
    objects = objects_among(traffic.shares, events)
    stored = events * traffic.bytes_per_event * traffic.gzip_ratio + objects * OBJECT_BYTES + RANGE_BYTES
    return RangeCost(objects, objects + PUTS_PER_RANGE, GETS_PER_RANGE, stored)


def cost_of(traffic: Traffic, limits: Limits, prices: Prices) -> Cost:
    """What a month takes. A range's time begins with its first event: it has one more than come meanwhile."""
    each_second = traffic.events_per_second / limits.partitions
    by_seconds = 1 + each_second * limits.max_seconds
    by_bytes = math.ceil(limits.max_bytes / traffic.bytes_per_event)
    events = min(by_seconds, by_bytes)
    one = cost_of_range(traffic, events)
    ranges = traffic.events_per_second * DAY_SECONDS * MONTH_DAYS / events
    puts, gets, stored = ranges * one.puts, ranges * one.gets, ranges * one.stored_bytes
    return Cost(
        range_events=events,
        range_seconds=events / each_second,
        closes_by="seconds" if by_seconds <= by_bytes else "bytes",
        range_objects=one.objects,
        puts=puts,
        gets=gets,
        stored_bytes=stored,
        held_bytes=limits.partitions * one.stored_bytes,
        request_dollars=(puts * prices.puts + gets * prices.gets) / 1000,
        kept_dollars=stored / 1e9 * prices.gb_month,
    )
