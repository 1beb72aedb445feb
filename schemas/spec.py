"""The declaration of one event."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.types import Payload

MISSING: Final = object()
"""In a counter-example's patch: leave this field out."""

Patch = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """How an event written in version `of` is taken as one of version `to`.

    `adapt` is given the whole event as it comes from JSON, and returns the payload that it has in version
    `to`; the rest of the envelope stays as it was sent. It is a pure function: the same event gives the same
    payload, in every process and for ever. What it raises, and what it returns wrong, quarantines the event.
    `examples`: pairs of a payload in version `of` and the payload made of it. They are tests, and
    documentation too.
    """

    of: int
    to: int
    adapt: Callable[[dict[str, Any]], Mapping[str, Any]]
    examples: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]


@dataclass(frozen=True, kw_only=True)
class EventSpec:
    """One event of the catalogue (docs/contract.md §2). Its payload's docstring says what happened.

    `examples` are payloads that are accepted. A counter-example is a patch to the first example, and the
    payload field that is then named as wrong. Both are tests, and the examples are documentation too.
    `adapters` lead from other versions, one after the other, to `version`.
    """

    name: str
    payload: type[Payload]
    examples: tuple[Mapping[str, Any], ...]
    counter_examples: tuple[tuple[Patch, str], ...]
    version: int = 1
    adapters: tuple[Adapter, ...] = ()

    @property
    def domain(self) -> str:
        """The module of the catalogue that declares the payload: bookings, payments, …"""
        return self.payload.__module__.rpartition(".")[2]

    @property
    def description(self) -> str:
        """What happened, in a sentence."""
        return inspect.cleandoc(self.payload.__doc__ or "")

    def chain(self, version: int) -> tuple[Adapter, ...]:
        """The adapters that lead from a version to the declared one, in their order; () if none do."""
        by_version = {adapter.of: adapter for adapter in self.adapters}
        steps: list[Adapter] = []
        while version != self.version and version in by_version and len(steps) < len(by_version):
            steps.append(by_version[version])
            version = steps[-1].to
        return tuple(steps) if version == self.version else ()

    @property
    def adapted_from(self) -> tuple[int, ...]:
        """The versions from which adapters lead to the declared one, ascending."""
        return tuple(sorted(adapter.of for adapter in self.adapters if self.chain(adapter.of)))

    def patched(self, patch: Patch) -> dict[str, object]:
        """The first example's payload with `patch` applied."""
        merged = {**self.examples[0], **patch}
        return {name: value for name, value in merged.items() if value is not MISSING}


def class_name(event: str) -> str:
    """An event's name as that of a class, in Avro too: `payout.paid` → `PayoutPaid`."""
    return "".join(word.capitalize() for word in re.split(r"[._]", event))
