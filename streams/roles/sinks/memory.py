"""Limits the memory of all open ranges of a worker together."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

log = logging.getLogger(__name__)

MEMORY_BYTES = 256 << 20
"""When all ranges together hold more, the largest is closed early and reading waits."""
LOOK_SECONDS = 1.0


class Holder(Protocol):
    """A partition that holds memory."""

    @property
    def held_bytes(self) -> int:
        """Approximate bytes in memory."""

    @property
    def closable_bytes(self) -> int:
        """Bytes of the range that `close_early` would close; 0: its end is fixed."""

    @property
    def commits(self) -> bool:
        """Whether a range is being committed, whose memory is released then."""

    def close_early(self) -> None:
        """Close the range as soon as the one before it is committed."""


class Memory:
    """`freed` is set when a range has been committed."""

    def __init__(self) -> None:
        self.holders: set[Holder] = set()
        self.freed = asyncio.Event()

    async def has_room(self) -> bool:
        """True: there is room, or waiting makes none. Otherwise the largest range is closed, and this returns
        when one is committed."""
        held = sum(holder.held_bytes for holder in self.holders)
        if held <= MEMORY_BYTES:
            return True
        self.freed.clear()
        largest = max(self.holders, key=lambda holder: holder.closable_bytes)
        if largest.closable_bytes:
            largest.close_early()
        elif not any(holder.commits for holder in self.holders):
            return True  # only reading on fills the ranges that hold it all, whose ends are settled
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self.freed.wait()
        except TimeoutError:
            log.debug("waiting for memory: %d bytes are held", held)
        return False
