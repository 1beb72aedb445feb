"""What all ranges of a worker hold together: who waits, and who does not wait for ever."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from streams.roles.sinks import memory
from streams.roles.sinks.memory import Memory


@dataclass(eq=False)
class Held:
    held_bytes: int
    closable_bytes: int = 0
    commits: bool = False
    closed: list[bool] = field(default_factory=list)

    def close_early(self) -> None:
        self.closed.append(True)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MEMORY_BYTES", 100)
    monkeypatch.setattr(memory, "LOOK_SECONDS", 0.01)


async def test_the_largest_range_that_may_be_closed_makes_room() -> None:
    small, large, settled = Held(30, 30), Held(40, 40), Held(60)
    made = Memory()
    made.holders |= {small, large, settled}
    assert not await made.has_room()
    assert (small.closed, large.closed, settled.closed) == ([], [True], [])
    made.holders.discard(settled)
    assert await made.has_room()


async def test_ranges_whose_ends_are_settled_are_filled_whatever_they_hold() -> None:
    """Nothing else would ever release what they hold."""
    made = Memory()
    made.holders |= {Held(60), Held(60), Held(0)}
    assert await made.has_room()
    made.holders.add(Held(10, commits=True))
    assert not await made.has_room(), "what is being committed is released"
