"""A worker with a SLUICE_INSTANCE is restarted: it has its partitions again, and nobody else notices.

No wait for the restart is as long as the session: a worker that had to wait for its end would fail.
"""

from __future__ import annotations

import re
import signal
import struct
from typing import Any

import pytest

from streams.kafka import topics
from tests.support.kafka import read_all, wait_until
from tests.support.patience import PATIENCE
from tests.support.processes import Role, Sluice
from tests.support.repeats import repeats

OWNED = {"views": r"recovered (\S+): ", "bronze": r"(\S+) goes on at offset "}
GROUP_METADATA = 2
SESSION_SECONDS = 45
BACK_SECONDS = (SESSION_SECONDS - 3) / PATIENCE


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"partitions": 4, "session_seconds": SESSION_SECONDS}


def share(worker: Role) -> int:
    """How many partitions this run of a worker has, by its newest word."""
    said = re.findall(r"own (\d) partitions as of generation", worker.output())
    return int(said[-1]) if said else 0


def owned(worker: Role, role: str) -> set[str]:
    """The partitions that this run of a worker has said it has."""
    return set(re.findall(OWNED[role], worker.output()))


async def generations(sluice: Sluice, role: str) -> list[int]:
    """The generations of a role's group, as its coordinator has kept them: a rebalance begins another one."""
    records = await read_all(sluice.settings.kafka[0], "__consumer_offsets")
    group = sluice.settings.group(role).encode()
    key = struct.pack(f">hh{len(group)}s", GROUP_METADATA, len(group), group)
    found: list[int] = []
    for record in records:
        if record.key == key and record.value:
            (length,) = struct.unpack_from(">h", record.value, 2)  # after a version: the protocol's type
            found += struct.unpack_from(">i", record.value, 4 + length)
    return found


@pytest.mark.parametrize("role", repeats("views", "bronze"))
async def test_a_restarted_worker_has_its_partitions_back_without_a_rebalance(
    sluice: Sluice, role: str
) -> None:
    await topics.create(sluice.settings)
    first, second = workers = [
        sluice.started(name, "worker", role, instance=name) for name in ("one-0", "one-1")
    ]

    async def shared() -> bool:
        return [share(worker) for worker in workers] == [2, 2]

    await wait_until(shared, "each to have half of the partitions", seconds=60)
    before = set(await generations(sluice, role))
    for worker, number in ((first, signal.SIGKILL), (second, signal.SIGTERM)):
        worker.signal(number)
        await worker.end(30)
        worker.start()
        await worker.ready(BACK_SECONDS)
    has = [owned(worker, role) for worker in workers]
    assert list(map(len, has)) == [2, 2]
    assert len(set.union(*has)) == 4
    assert set(await generations(sluice, role)) == before
