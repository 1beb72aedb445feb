"""The signature of a generic webhook, as Standard Webhooks has it (standardwebhooks.com): HMAC-SHA-256."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from pathlib import Path

from streams.access.kept_file import KeptFileError

PREFIX = "whsec_"
LEAST_BYTES = 24
"""What the specification asks of a secret."""


def read_secret(path: Path, text: str) -> bytes:
    """The secret: `whsec_` and base64, on a line of its own. Raises `KeptFileError`."""
    said = text.strip()
    try:
        secret = base64.b64decode(said.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not said.startswith(PREFIX) or len(secret) < LEAST_BYTES:
        raise KeptFileError(f"{path}: must be {PREFIX} and base64 of {LEAST_BYTES} bytes or more")
    return secret


def signed(message_id: str, at_seconds: int, body: bytes, secret: bytes) -> dict[str, str]:
    """The headers by which a receiver knows that a body is ours, and not an old one sent again."""
    content = f"{message_id}.{at_seconds}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": f"v1,{signature}",
    }
