"""Bearer tokens, of which only the hash is kept; a comparison tells nothing by how long it takes."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

_BEARER = re.compile(r"[Bb]earer +(\S+) *")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")

DIGEST_RULE = "the token's SHA-256, 64 hexadecimal digits: printf %s TOKEN | sha256sum"
"""What `parse_digest` takes, in words."""


class HasDigest(Protocol):
    """Somebody whom a token tells."""

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the token."""


H = TypeVar("H", bound=HasDigest)


def bearer_token(authorization: str | None) -> str | None:
    """The token of an Authorization header; None if it has none."""
    found = _BEARER.fullmatch(authorization or "")
    return found[1] if found else None


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def parse_digest(text: str) -> bytes | None:
    """A digest as a file has it; None if it is none."""
    return bytes.fromhex(text) if _SHA256.fullmatch(text) else None


def holder_of(token: str | None, holders: Iterable[H]) -> H | None:
    """Whose the token is; None if it is nobody's. All are compared, whichever it is."""
    digest = digest_of(token or "")
    known = None
    for holder in holders:
        if hmac.compare_digest(holder.digest, digest) and token is not None:
            known = holder
    return known
