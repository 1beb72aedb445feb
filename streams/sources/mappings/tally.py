"""What became of the values of a replay: told at its end, in bounded memory, and without any value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from streams.sources.mappings.mapping import OTHER_KIND, Refused

MOST_KINDS = 200
"""So many types, and so many causes, are told apart."""


@dataclass
class Cause:
    """Why values were refused: how many for this, and where the first one is."""

    why: Refused
    first: str
    count: int = 0


@dataclass
class MappingTally:
    """Counts of values: `mapped` are events, `refused` go by their cause, `not_for_us` by their type."""

    mapped: int = 0
    refused: dict[tuple[str, str, str], Cause] = field(default_factory=dict)
    not_for_us: Counter[str] = field(default_factory=Counter)

    @property
    def refusals(self) -> int:
        """How many values were refused."""
        return sum(cause.count for cause in self.refused.values())

    def add_refused(self, why: Refused, where: str, count: int = 1) -> None:
        """Count refused values; `where` is the file and line of the first."""
        key = (why.code, why.reason, why.field)
        if key not in self.refused and len(self.refused) >= MOST_KINDS:
            key, why = (why.code, OTHER_KIND, ""), Refused(why.code, OTHER_KIND, "", "for other causes")
        self.refused.setdefault(key, Cause(why, where)).count += count

    def add_not_for_us(self, kind: str, count: int = 1) -> None:
        """Count values of a type that is none of ours."""
        known = kind in self.not_for_us or len(self.not_for_us) < MOST_KINDS
        self.not_for_us[kind if known else OTHER_KIND] += count

    def add(self, other: MappingTally) -> None:
        """Count what another has counted."""
        self.mapped += other.mapped
        for cause in other.refused.values():
            self.add_refused(cause.why, cause.first, cause.count)
        for kind, count in other.not_for_us.items():
            self.add_not_for_us(kind, count)

    def report(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "mapped": self.mapped,
            "refused": [
                {**cause.why._asdict(), "count": cause.count, "first": cause.first}
                for cause in self.refused.values()
            ],
            "not_for_us": dict(self.not_for_us.most_common()),
        }
