"""Stripe's signature of a webhook: an HMAC-SHA-256 of its time and its body, by a secret of the endpoint.

Several secrets count at a time, and several signatures may be in a header, so that a secret can be rolled.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from pathlib import Path

from streams.access.kept_file import KeptFileError

HEADER = "stripe-signature"
TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 20
_TIME = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


class SignatureError(Exception):
    """A webhook is not proven to be Stripe's: `str()` says why."""


def read_secrets(path: Path, text: str) -> tuple[bytes, ...]:
    """The secrets, one a line; empty lines and comments (#) are passed over. Raises `KeptFileError`."""
    lines = [line.strip() for line in text.splitlines()]
    found = tuple(line.encode() for line in lines if line and not line.startswith("#"))
    if not found:
        raise KeptFileError(
            f"{path}: has no secret: it is the webhook's signing secret (whsec_…), one a line"
        )
    return found


def check_signature(header: str | None, body: bytes, secrets: Sequence[bytes], now: float) -> None:
    """Raises `SignatureError` unless one of the header's signatures is of this body by one of the secrets,
    and not older than five minutes. `now`: unix seconds."""
    if not header:
        raise SignatureError("the header Stripe-Signature is missing")
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1" and _SIGNATURE.fullmatch(value)]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not given:
        raise SignatureError("the header Stripe-Signature is not of the form t=…,v1=…")
    signed = times[0].encode() + b"." + body
    found = False
    for secret in secrets:  # all of them, whichever it is: how long it takes tells nothing
        expected = hmac.new(secret, signed, hashlib.sha256).hexdigest()
        for one in given[:MOST_SIGNATURES]:
            found |= hmac.compare_digest(expected, one)
    if not found:
        raise SignatureError("no signature is of this body by a secret of SLUICE_STRIPE_SECRET_FILE")
    if abs(now - int(times[0])) > TOLERANCE_SECONDS:
        raise SignatureError("the signature is more than five minutes from now: is the clock right?")
