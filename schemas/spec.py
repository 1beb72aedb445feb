"""The declaration of one event."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.types import Payload

MISSING: Final = object()
"""In a counter-example's patch: leave this field out."""

Patch = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class EventSpec:
    """One event of the catalogue (docs/contract.md §2). Its payload's docstring says what happened.

    `examples` are payloads that are accepted. A counter-example is a patch to the first example, and the
    payload field that is then named as wrong. Both are tests, and the examples are documentation too.
    """

    name: str
    payload: type[Payload]
    examples: tuple[Mapping[str, Any], ...]
    counter_examples: tuple[tuple[Patch, str], ...]
    version: int = 1

    @property
    def domain(self) -> str:
        """The module of the catalogue that declares the payload: bookings, payments, …"""
        return self.payload.__module__.rpartition(".")[2]

    @property
    def description(self) -> str:
        """What happened, in a sentence."""
        return inspect.cleandoc(self.payload.__doc__ or "")

    def patched(self, patch: Patch) -> dict[str, object]:
        """The first example's payload with `patch` applied."""
        merged = {**self.examples[0], **patch}
        return {name: value for name, value in merged.items() if value is not MISSING}


def class_name(event: str) -> str:
    """An event's name as that of a class, in Avro too: `payout.paid` → `PayoutPaid`."""
    return "".join(word.capitalize() for word in re.split(r"[._]", event))
