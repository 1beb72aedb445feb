"""The event catalogue (docs/contract.md §2). A new event is a new declaration in its domain's module.

What extensions declare is in it too (docs/extensions.md). Raises `ExtensionError` where that is wrong.
"""

from __future__ import annotations

from itertools import chain

from schemas.catalogue import bookings, comms, experiments, payments, promotions, search, studios, trust
from schemas.extensions import extensions
from schemas.problems import adapted_events, check_extension
from schemas.spec import EventSpec

DOMAINS = (bookings, payments, search, trust, promotions, comms, studios, experiments)


def by_name(*domains: tuple[EventSpec, ...]) -> dict[str, EventSpec]:
    """Event name → declaration, in the order declared. Raises ValueError if a name is declared twice."""
    events: dict[str, EventSpec] = {}
    for spec in chain(*domains):
        if spec.name in events:
            raise ValueError(f"event {spec.name} is declared twice")
        events[spec.name] = spec
    return events


OWN: dict[str, EventSpec] = by_name(*(domain.EVENTS for domain in DOMAINS))
"""The project's own events, of which docs/reference is made."""


def _with_extensions() -> dict[str, EventSpec]:
    events, packages = dict(OWN), dict.fromkeys(OWN, "Sluice")
    for extension in extensions():
        check_extension(extension, events, packages)
        events |= {spec.name: spec for spec in extension.events}
        packages |= {spec.name: extension.package for spec in extension.events}
        events |= adapted_events(extension, events)
    return events


EVENTS: dict[str, EventSpec] = _with_extensions()
"""All events, those of extensions last."""
