"""A sink that is not ours is exact on the runtime of partitions: two workers, killed over and over."""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.chaos.blows import drawn_seed
from tests.support.chaos.traffic import Producing
from tests.support.feed import source_ends
from tests.support.kafka import read_all, wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import started_producer

EVENTS_PER_SECOND = 1_500


def covered(folder: Path) -> dict[int, int]:
    """Partition → where its chain of ranges ends."""
    newest = {int(file.name.split("-")[0]): file for file in sorted(folder.glob("[0-9]*-*"))}
    return {partition: json.loads(file.read_bytes())[1] for partition, file in newest.items()}


async def test_a_sink_of_sixty_lines_is_exact_under_kills(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path, kills: int
) -> None:
    draw = random.Random(drawn_seed())
    load = Load(draw.randrange(2**32), int(time.time() * 1000), Mix(milliseconds=1))
    folder = tmp_path / "ranges"
    folder.mkdir()
    program = (sys.executable, "-m", "tests.support.file_sink", str(folder))
    with Sluice(tmp_path, own_kafka.bootstrap, prefix) as sluice:
        await topics.create(sluice.settings)
        workers = [sluice.program(f"sink-{number}", *program) for number in range(2)]
        for worker in workers:
            worker.start()
        producer = await started_producer(own_kafka.bootstrap, enable_idempotence=True)
        async with contextlib.AsyncExitStack() as stopped:
            stopped.push_async_callback(producer.stop)
            producing = Producing(producer, sluice.raw_topic, load.take, EVENTS_PER_SECOND)
            stopped.push_async_callback(producing.stop)
            for _ in range(kills):
                await moved(folder)
                await killed(draw.choice(workers))
            await producing.stop()
        ends = {partition: end for (_, partition), end in (await source_ends(sluice.settings)).items()}
        await wait_until(lambda: covered(folder) == ends, "all to be in the sink", seconds=60)
        for worker in workers:
            await worker.says(r"own \d+ partitions")  # the last one that was killed may be starting
            assert await worker.terminate() == 0, worker.tail()
        records = await read_all(own_kafka.bootstrap, sluice.raw_topic)
    sent = Counter((record.partition, record.offset, len(record.value or b"")) for record in records)
    assert rows(folder) == sent


async def moved(folder: Path) -> None:
    """Return when more ranges of some partition are there than now."""
    before = covered(folder)
    await wait_until(lambda: covered(folder) != before, "ranges to be committed", seconds=60)


async def killed(worker: Role) -> None:
    """Kill -9, and start again; the other one goes on meanwhile."""
    worker.kill()
    worker.start()


def rows(folder: Path) -> Counter[tuple[int, int, int]]:
    """All rows of all ranges: (partition, offset, size). The ranges of a partition are a chain."""
    found: Counter[tuple[int, int, int]] = Counter()
    ends: dict[int, int] = {}
    for file in sorted(folder.glob("[0-9]*-*")):
        partition = int(file.name.split("-")[0])
        first, end, _, _, lines = json.loads(file.read_bytes())
        assert ends.get(partition, first) == first, file.name
        ends[partition] = end
        found.update((partition, offset, size) for offset, size in lines)
    return found
