"""When the certificates end that settings name, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from streams.metrics import CERTIFICATE_END


def measure_end(setting: str, path: Path | None, end: Callable[[Iterable[datetime]], datetime] = min) -> None:
    """Export the end of a PEM file's certificates. `end`: `min` of a chain, which the first of them ends;
    `max` of those that are trusted, of which one is enough."""
    if path is None:
        return
    from cryptography import x509  # noqa: PLC0415 - only where there is TLS

    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):  # who uses the file has said what is wrong with it, if anything is
        return
    CERTIFICATE_END.labels(setting).set(end(one.not_valid_after_utc for one in found).timestamp())
