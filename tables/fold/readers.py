"""What the views keep of an event until it is folded: a tuple of its fields, read by a function of its own.

An event's objects are a thousand bytes, what is kept of it a few dozen. So a batch of what is kept stays in
the processor's cache, while events are let go of a few at a time. A function that reads attributes by name,
and whose code no other event runs through, takes half the time of one for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schemas.times import instant_us
from tables.spec.fields import CITY

Reader = Callable[[Any], tuple[Any, ...]]


def compiled(name: str, arguments: str, lines: Sequence[str], names: dict[str, Any]) -> Callable[..., Any]:
    """The function with this body. `names`: what the lines name besides its arguments."""
    space = dict(names)
    exec("\n    ".join([f"def {name}({arguments}):", *lines]), space)  # noqa: S102 - of declarations only
    made: Callable[..., Any] = space[name]
    return made


def reader_of(values: Sequence[str]) -> Reader:
    """What makes the tuple of an event: of these values, as `field`, `instant` and `tuple_of` write them."""
    return compiled(
        "read", "event", ["payload = event.payload", f"return {tuple_of(values)}"], {"instant_us": instant_us}
    )


def field(name: str) -> str:
    """A field of the payload, or the event's city."""
    return f"event.{name}" if name == CITY else f"payload.{name}"


def instant(name: str) -> str:
    """An instant of the payload, in µs since 1970 UTC, or None."""
    return f"(None if payload.{name} is None else instant_us(payload.{name}))"


def local(name: str) -> str:
    """A field that was kept, in a function that adds it: no other name there begins like that."""
    return f"of_{name}"


def tuple_of(values: Sequence[str]) -> str:
    """These values, in a tuple."""
    return f"({''.join(f'{value}, ' for value in values)})"
