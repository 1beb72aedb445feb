"""The hash of one event id."""

from __future__ import annotations

from types import SimpleNamespace

from tables.fold.dedupe.duplicates import hash_events


def hash_id(event_id: str) -> int:
    """The 64-bit hash by which an id is known."""
    return hash_events([SimpleNamespace(event_id=event_id, city=None, payload=None)])[0]
