"""The event catalogue (docs/contract.md §2). A new event is a new declaration in its domain's module."""

from __future__ import annotations

from itertools import chain

from schemas.catalogue import bookings, payments, search
from schemas.spec import EventSpec

DOMAINS = (bookings, payments, search)


def by_name(*domains: tuple[EventSpec, ...]) -> dict[str, EventSpec]:
    """Event name → declaration, in the order declared. Raises ValueError if a name is declared twice."""
    events: dict[str, EventSpec] = {}
    for spec in chain(*domains):
        if spec.name in events:
            raise ValueError(f"event {spec.name} is declared twice")
        events[spec.name] = spec
    return events


EVENTS: dict[str, EventSpec] = by_name(*(domain.EVENTS for domain in DOMAINS))
