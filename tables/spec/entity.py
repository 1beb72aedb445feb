"""Entity views: the latest state of each entity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tables.spec.tracked import Tracked
from tables.spec.view import View


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
