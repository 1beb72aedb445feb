"""Envelopes themselves (docs/contract.md §1) as a mapping that changes nothing: the catalogue judges them."""

from __future__ import annotations

from collections.abc import Sequence

from streams.sources.mappings.mapping import Mapped, Outcome, items_of


class Envelopes:
    """A `Mapping` of an envelope to itself, byte for byte."""

    name = "envelopes"

    def values(self, value: bytes) -> Sequence[bytes]:
        """The envelope, or those of an array."""
        items = items_of(value) if value.lstrip()[:1] == b"[" else None
        return (value,) if items is None else items

    def outcome(self, value: bytes) -> Outcome:
        """The same bytes."""
        return Mapped((value,))
