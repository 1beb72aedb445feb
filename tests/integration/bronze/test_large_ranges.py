"""A bronze worker that is told to end, killed or joined while its range has thousands of objects."""

from __future__ import annotations

import json
import signal
import time
from itertools import islice

import pytest

from streams.kafka import topics
from streams.store.bronze_verify import verify
from tests.support.bronze_rows import Bronze
from tests.support.bronze_topic import until_covered
from tests.support.history import values
from tests.support.kafka import Raw, wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

DAYS, KINDS, PARTITIONS = 100, 20, 2
OBJECTS = DAYS * KINDS
"""Of each partition's range."""
HISTORY = [
    Raw(value, partition=number // KINDS % PARTITIONS)
    for number, value in enumerate(values(OBJECTS * 4, DAYS, KINDS))
]
BEGUN_OBJECTS = 300
GONE_SECONDS = 10.0

pytestmark = pytest.mark.timeout(240)  # a worker that dies, and another that writes all


@pytest.fixture
async def worker(sluice: Sluice) -> Role:
    await topics.create(sluice.settings)
    await produce_all(sluice.settings.kafka[0], sluice.raw_topic, HISTORY, compression_type="lz4")
    return sluice.bronze()


def objects(sluice: Sluice) -> dict[str, int]:
    """The objects that there are, and by which inode each is the same file."""
    folder = sluice.folder / "store"
    return {str(file.relative_to(folder)): file.stat().st_ino for file in folder.glob("event=*/dt=*/*.gz")}


async def until_it_puts(sluice: Sluice) -> None:
    folder = sluice.folder / "store"

    def many() -> bool:
        return next(islice(folder.glob("event=*/dt=*/*.gz"), BEGUN_OBJECTS, None), None) is not None

    await wait_until(many, "objects to be put")


async def hold(sluice: Sluice, worker: Role) -> None:
    """All is written, once, and nothing else; a worker that has nothing to write leaves at once."""
    await until_covered(sluice, sluice.store, worker)
    await worker.ready()
    assert await worker.terminate(GONE_SECONDS) == 0
    verdict = await verify(sluice.store)
    assert verdict.problems == []
    assert (verdict.rows, verdict.unfinished) == (len(HISTORY), 0)
    (records,) = Bronze(sluice.folder / "store").records.values()
    for partition in range(PARTITIONS):
        sent = [json.loads(raw.value or b"") for raw in HISTORY if raw.partition == partition]
        assert [json.loads(read.value or b"") for read in records if read.partition == partition] == sent
    assert len(objects(sluice)) == verdict.objects, "and nothing that no commit lists"


@pytest.mark.parametrize("moment", ["filling", "putting"])
async def test_told_to_end_it_is_gone_in_time_and_nothing_is_lost(
    sluice: Sluice, worker: Role, moment: str
) -> None:
    await (worker.says("goes on at offset") if moment == "filling" else until_it_puts(sluice))
    started = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert await worker.end(GONE_SECONDS) == 0
    assert time.monotonic() - started < GONE_SECONDS
    worker.start()
    await hold(sluice, worker)


async def test_killed_while_it_puts_its_objects_are_taken_as_they_are(sluice: Sluice, worker: Role) -> None:
    await until_it_puts(sluice)
    worker.kill()
    left = objects(sluice)
    folder = sluice.folder / "store"
    intents = {
        file.relative_to(folder / "_intents"): json.loads(file.read_bytes())["objects"]
        for file in folder.glob("_intents/*/*/*.json")
    }
    assert any(intents.values())
    worker.start()
    await hold(sluice, worker)
    for path, listed in intents.items():
        assert json.loads((folder / "_commits" / path).read_bytes())["objects"] == listed
    assert objects(sluice).items() >= left.items(), "what is there is not written again"


async def test_joined_while_it_puts_both_go_on(sluice: Sluice, worker: Role) -> None:
    await until_it_puts(sluice)
    other = sluice.bronze("other")
    await other.says("own 1 partitions")
    await worker.says("own 1 partitions")
    await until_covered(sluice, sluice.store, worker, other)
    assert await other.terminate(GONE_SECONDS) == 0
    await hold(sluice, worker)
