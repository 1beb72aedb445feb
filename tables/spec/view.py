"""What every view is (docs/contract.md §3): a declaration, it has no code of its own.

Measures are listed in the order in which an answer shows them; one computed from others names and follows
them. Workers keep only what `definition_hash` covers; everything else is computed by queries.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from tables.spec.entity_measures import EntityMeasure
from tables.spec.fields import CITY, EventTypes
from tables.spec.measures import Measure, Unit
from tables.spec.tile import Tile
from tables.spec.tracked import Tracked

SHOWN = "shown"
"""Marks a field of a declaration that says how it is shown, and nothing else."""
FORMAT_VERSION = 1
"""Version of the records in the feed, and of the dedupe hash (xxh3_64 over the event_id in UTF-8)."""


@dataclass(frozen=True)
class View(ABC):
    """`tracks`: the entities that a view looks at; `tiles`: what of it the console shows."""

    name: str
    description: str
    dimensions: tuple[str, ...]
    measures: tuple[Measure, ...]
    tracks: Tracked | None = None
    # No part of what is computed: it is not written into the feed, whose readers need not know it.
    tiles: tuple[Tile, ...] = field(default=(), compare=False, kw_only=True, metadata={SHOWN: True})

    kind: ClassVar[str]

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What a view's state is grouped by: the dimensions, and the city, last, where it is none of them."""
        return self.dimensions if CITY in self.dimensions else (*self.dimensions, CITY)

    @cached_property
    def entity_measures(self) -> tuple[EntityMeasure, ...]:
        """The measures over entities."""
        return tuple(measure for measure in self.measures if isinstance(measure, EntityMeasure))

    def nothing(self) -> dict[str, Any]:
        """What is kept of no event for the measures that are not over entities, by name."""
        return {}

    @property
    def has_money(self) -> bool:
        """Whether a measure is in minor units, so that its currency may not be dropped."""
        return any(measure.unit is Unit.MINOR for measure in self.measures)

    @cached_property
    def definition_hash(self) -> str:
        """Eight hex digits over what is computed: prose, names, derived measures and selections change
        nothing."""
        text = json.dumps([FORMAT_VERSION, [self.kind, *self.computed()]], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def problems(self, events: EventTypes) -> Iterator[str]:
        """What contradicts itself apart from single measures, and what to do."""
        if self.tracks is not None:
            yield from self.tracks.problems(events)

    @abstractmethod
    def computed(self) -> list[Any]:
        """What workers compute, for the hash."""

    @property
    @abstractmethod
    def events(self) -> frozenset[str]:
        """Names of the events that can change this view."""


@dataclass(frozen=True)
class Entity(View):
    """The latest state of each entity, by `dimensions`: `city`, or kept fields."""

    tracks: Tracked = field()

    kind = "entity"

    def computed(self) -> list[Any]:
        """What workers compute, for the hash."""
        return [self.tracks.computed()]

    @property
    def events(self) -> frozenset[str]:
        """Names of the events that can change this view."""
        return frozenset(self.tracks.by_event)
