"""Who a request is from: what every way of finding out has in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

Headers = Iterable[tuple[bytes, bytes]]
"""Those of a request, names in lower case, as ASGI has them."""

ANALYST = re.compile(r"[^\s,\x00-\x1f\x7f]{1,200}")
ANALYST_RULE = "1 to 200 characters without blanks, commas and control characters"
"""What the name of an analyst may be, in words."""


class UnauthorizedError(Exception):
    """It is not known who asks. `str(error)` says why, and nothing of what was shown."""


class Identity(NamedTuple):
    """An analyst who has shown who they are. `lasts`: whether what they have shown still counts;
    `told_again`: whether their next request tells it anew, without a doing of theirs."""

    analyst: str
    lasts: Callable[[], bool]
    told_again: bool = False


class Identifier(Protocol):
    """Finds out who asks."""

    def identify(self, headers: Headers, address: str | None) -> Identity:
        """`address`: of the peer. Raises `UnauthorizedError`."""


def header(headers: Headers, name: bytes) -> str | None:
    """A header that is there once; None if it is not there, or more than once."""
    found = [value for key, value in headers if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else None
