"""Measures over all records of a partition, whatever event they are of, and bad ones too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tables.spec.fields import CITY
from tables.spec.measures import Known
from tables.spec.windowed import Sum, Term

FIELDS = ("source", "event", "reason", CITY)
"""What is known of every record. The `reason` of an event is null, that of a bad record why it is bad."""
UNKNOWN = "_unknown"
"""Stands for the source or event of a bad record that does not say it, or says it wrongly."""


class Outcome(StrEnum):
    """What becomes of a record."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class Records(Sum):
    """How many records there are of an outcome.

    An accepted one counts once, when it occurred, like in any view; a bad one at its Kafka timestamp or,
    where it has none, at the watermark (`tables/fold/records.py`).
    """

    terms: tuple[Term, ...] = ()
    outcome: Outcome = Outcome.ACCEPTED

    def problems(self, known: Known) -> Iterator[str]:
        """What is wrong with its declaration, and what to do."""
        for name in known.key:
            if name not in FIELDS:
                yield f"dimension {name} is not known of every record: take one of {', '.join(FIELDS)}"

    def computed(self) -> Any:
        """What workers compute, for the hash."""
        return ["records", self.outcome.value]
