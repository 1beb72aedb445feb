"""What a rule for one type of webhook is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streams.sources.mappings.stripe.webhook import Envelope, Webhook


class Rule(NamedTuple):
    """`events`: what of the catalogue it makes; none: it always refuses. `says` is for the table of
    docs/reference/sources.md. `envelopes` makes them, or raises `StopError`."""

    events: tuple[str, ...]
    says: str
    envelopes: Callable[[Webhook], list[Envelope]]
