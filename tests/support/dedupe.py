"""The hash of one event id."""

from __future__ import annotations

from tables.fold.dedupe.duplicates import hash_ids


def hash_id(event_id: str) -> int:
    """The 64-bit hash by which an id is known."""
    return int(hash_ids([event_id.encode()])[0])
