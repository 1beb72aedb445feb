"""What agents need from outside, as protocols (`streams` has the implementations), and in what portions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agents.quarantine.record import Message

SLICE_RECORDS = 512
"""Records to unpack, judge and use together: enough to spread numpy's fixed costs, few enough for all that is
made of them to stay in the processor's cache."""

FeedRecord = tuple[bytes, bytes | None]
"""Key and value of a record of views.feed; a None value is a tombstone."""


class Log(Protocol):
    """Where a source partition's checkpoints go."""

    async def commit(self, feed: Sequence[FeedRecord], quarantine: Sequence[Message]) -> None:
        """Write all or nothing. Raises when it is not known to be written."""
