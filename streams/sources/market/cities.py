"""The cities of the simulated marketplace: currency, time of day, size and prices."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

MOST_CITIES = 10_000
_SLUG = re.compile(r"[a-z0-9_-]{1,64}")


class City(NamedTuple):
    """One city. `utc_offset_hours` is fixed (no summer time); `weight` is its share of visits against the
    others'; `price_minor` is what bookings cost around, in the currency's minor unit."""

    slug: str
    currency: str
    utc_offset_hours: float
    weight: float
    price_minor: int


CATALOGUE = (
    City("london", "GBP", 0, 10, 9_500),
    City("new-york", "USD", -5, 9, 12_000),
    City("paris", "EUR", 1, 7, 10_500),
    City("berlin", "EUR", 1, 6, 8_000),
    City("los-angeles", "USD", -8, 6, 11_000),
    City("tokyo", "JPY", 9, 6, 15_000),
    City("toronto", "CAD", -5, 4, 13_000),
    City("sydney", "AUD", 10, 4, 14_000),
    City("madrid", "EUR", 1, 4, 7_000),
    City("amsterdam", "EUR", 1, 3, 11_500),
    City("stockholm", "SEK", 1, 2, 95_000),
    City("mumbai", "INR", 5.5, 5, 350_000),
)
_BY_SLUG = {city.slug: city for city in CATALOGUE}

# Visits by hour of the local day: quiet before dawn, a bump at lunch, most in the evening.
_HOURS = (
    0.55, 0.35, 0.22, 0.15, 0.13, 0.18, 0.35, 0.62, 0.90, 1.08, 1.18, 1.28,
    1.38, 1.30, 1.18, 1.14, 1.20, 1.36, 1.62, 1.86, 1.96, 1.82, 1.38, 0.81,
)  # fmt: skip
_MEAN = sum(_HOURS) / 24


def choose_cities(text: str) -> tuple[City, ...]:
    """Cities from `12` (how many) or from `london,oslo` (which). Raises `ValueError` saying what is allowed.

    A slug that is not in the catalogue, and each one after the catalogue's end, gets made-up properties that
    depend on nothing but its name.
    """
    if text.isascii() and text.isdigit():
        count = int(text) if len(text) < 9 else 0
        if not 1 <= count <= MOST_CITIES:
            raise ValueError(f"must be 1 to {MOST_CITIES:,} cities, not {text}")
        made_up = (_made_up(f"city-{number:04d}") for number in range(len(CATALOGUE) + 1, count + 1))
        return (*CATALOGUE[:count], *made_up)
    slugs = [slug.strip() for slug in text.split(",")]
    for slug in slugs:
        if not _SLUG.fullmatch(slug):
            raise ValueError(f"{slug[:80]!r} is not a city: up to 64 of a-z 0-9 _ - are allowed")
    if len(set(slugs)) != len(slugs):
        raise ValueError("a city is named twice")
    return tuple(_BY_SLUG.get(slug) or _made_up(slug) for slug in slugs)


def _made_up(slug: str) -> City:
    digest = zlib.crc32(slug.encode())  # not hash(): that differs from process to process
    model = CATALOGUE[digest % len(CATALOGUE)]
    return City(slug, model.currency, model.utc_offset_hours, 1 + digest // 16 % 4, model.price_minor)


def rhythm(city: City, at_us: int) -> float:
    """How busy the city is at this instant (µs since the epoch): 1 is the mean of its day."""
    hour = (at_us / 3_600_000_000 + city.utc_offset_hours) % 24
    first = int(hour)
    part = hour - first
    return (_HOURS[first % 24] * (1 - part) + _HOURS[(first + 1) % 24] * part) / _MEAN


def busyness(cities: Sequence[City], at_us: int, flat: bool) -> list[float]:
    """Running sums of every city's share of visits at this instant; the last is the whole, 1 on a day's mean.

    `flat` keeps the whole at 1: the cities' shares still follow the sun.
    """
    whole = sum(city.weight for city in cities)
    sums = list(accumulate(city.weight * rhythm(city, at_us) / whole for city in cities))
    return [share / sums[-1] for share in sums] if flat else sums
