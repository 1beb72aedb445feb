"""Which Bronze objects are stored by city too (docs/contract.md §5): those of the configured domains."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agents.bronze.files import Intent, event_folder
from schemas.catalogue import EVENTS

DOMAINS = ("bookings", "payments", "search", "trust", "promotions", "comms", "studios", "experiments")
"""The domains of docs/contract.md §2, some of which have no events yet."""
NO_CITY = "__HIVE_DEFAULT_PARTITION__"
"""What Hive calls null, and readers of partitioned folders after it."""
FORMER_NO_CITY = "__none__"
"""Its former name."""
_OBJECT = re.compile(r"event=(?P<event>[^/]+)/dt=[^/]+/(?:city=(?P<city>[^/]+)/)?[^/]+")


def known_domains() -> tuple[str, ...]:
    """All domains that may be chosen: those of the contract, and those of added events."""
    return tuple(dict.fromkeys((*DOMAINS, *(spec.domain for spec in EVENTS.values()))))


@dataclass(frozen=True)
class Layout:
    """How events are stored: the names of those that have a city level, and the name of a null city there."""

    by_city: frozenset[str] = frozenset()
    no_city: str = NO_CITY

    def folder(self, event: str, day: int, city: str | None) -> str:
        """Where an event is stored; `day` counts from 1970-01-01 (UTC). `city` is used at its level only."""
        folder = event_folder(event, day)
        return f"{folder}city={self.city(city)}/" if event in self.by_city else folder

    def city(self, city: str | None) -> str:
        """The folder name of a city."""
        if city is None:
            return self.no_city
        # A city may be called like null but for its case, which not every store tells apart: its first byte
        # is written as Hive writes odd ones, and as readers of Hive's folders understand.
        return city if city != NO_CITY.lower() else f"%5F{city[1:]}"


def layout_of(domains: Iterable[str]) -> Layout:
    """The layout where the events of these domains have a city level."""
    chosen = frozenset(domains)
    return Layout(frozenset(name for name, spec in EVENTS.items() if spec.domain in chosen))


def layout_of_intent(intent: Intent, otherwise: Layout) -> Layout:
    """The layout of a pending range, so that it can be finished with the same names.

    Its own objects show it; for events without any, it is `otherwise`. A wrong guess does no harm: the intent
    and its objects are then replaced.
    """
    found = [match for entry in intent.objects if (match := _OBJECT.match(entry.path))]
    there = {match["event"] for match in found}
    by_city = {match["event"] for match in found if match["city"]}
    former = any(match["city"] == FORMER_NO_CITY for match in found)
    return Layout((otherwise.by_city - there) | by_city, FORMER_NO_CITY if former else otherwise.no_city)


def lie_otherwise(one: Intent, other: Intent) -> bool:
    """Whether events of one name are stored in another layout in these intents.

    Then neither replaces the other: late objects of the replaced intent would be stored beside those that
    count. A writer that finds the intent builds the range in its layout.
    """
    levels = [
        {
            (match["event"], match["city"] is not None, match["city"] == FORMER_NO_CITY)
            for entry in intent.objects
            if (match := _OBJECT.match(entry.path))
        }
        for intent in (one, other)
    ]
    by_event = [{event: (by_city, former) for event, by_city, former in sorted(each)} for each in levels]
    return any(by_event[0][event] != by_event[1][event] for event in by_event[0].keys() & by_event[1].keys())
