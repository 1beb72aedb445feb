"""What partitions and processes cost: `python -m tests.bench.scale`.

The same events are read at full speed from 4 partitions and from 64, by one `sluice worker views` and by
two. A topic is filled in one transaction, which is committed when its partitions are owned: before that there
is nothing to read, and then there is everything. Setups take turns; the table has medians of the workers'
CPU, all of a setup's processes together, so that it holds where there are fewer cores than processes. And a
worker that owns 64 partitions and has nothing to do.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.kafka.client import begin_transaction, stop_quietly, transactional_producer
from streams.sources.market import Record
from tests.bench import report, worker
from tests.bench.load import BATCH_BYTES, ends_of, send_all
from tests.bench.process import Child
from tests.bench.workloads import WORKLOADS

TIMEOUT_SECONDS = 300.0
SETTLE_SECONDS = 5.0
"""After an assignment there are first checkpoints to be written, and metadata to be asked for."""
IDLE_PARTITIONS = 64


class Setup(NamedTuple):
    """How many partitions, and how many workers that share them evenly."""

    partitions: int
    workers: int

    def __str__(self) -> str:
        return f"{self.partitions} partitions, {self.workers} worker{'s' * (self.workers > 1)}"


class Run(NamedTuple):
    """CPU of all workers together; events a second of all of them."""

    cpu_us_per_event: float
    events_per_s: float


SETUPS = (Setup(4, 1), Setup(64, 1), Setup(4, 2))


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--workload", choices=WORKLOADS, default="market")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle-seconds", type=int, default=30, help="0: not measured")
    return parser.parse_args()


async def run(server: str, folder: Path, records: list[Record], setup: Setup) -> Run:
    """One run, with topics and a group of its own."""
    prefix = f"scale-{uuid.uuid4().hex[:8]}."
    topic = f"{prefix}raw"
    environ = worker.environment(server, topic, prefix, folder / prefix)
    environ["SLUICE_PARTITIONS"] = str(setup.partitions)
    settings = worker.settings_of(environ)
    await topics.create(settings)
    patient = worker.settings_of({**environ, "SLUICE_SESSION_SECONDS": "300"})
    producer = await transactional_producer(patient, topic, max_batch_size=BATCH_BYTES)
    try:
        await begin_transaction(producer)
        await send_all(producer, topic, records, setup.partitions)
        with ExitStack() as running:
            workers = [
                running.enter_context(Child(worker.COMMAND, folder / f"scale-{number}.log", environ))
                for number in range(setup.workers)
            ]
            owns = rf"own {setup.partitions // setup.workers} partitions as of generation"
            for one in workers:
                await asyncio.to_thread(one.wait_line, owns, worker.START_SECONDS)
            async with worker.feed_reader(settings, setup.partitions) as feed:
                await asyncio.sleep(SETTLE_SECONDS)
                begun = [one.mark() for one in workers]
                await producer.commit_transaction()
                ends = await ends_of(settings, topic, setup.partitions)
                await worker.wait_covered(feed, workers[0], ends, TIMEOUT_SECONDS)
            ended = [one.mark() for one in workers]
            for one in workers:
                one.check()
    finally:
        await stop_quietly(producer)
    cpu_s = sum(last.cpu_s - first.cpu_s for first, last in zip(begun, ended, strict=True))
    return Run(cpu_s / len(records) * 1e6, len(records) / (ended[0].at_s - begun[0].at_s))


async def idle(server: str, folder: Path, seconds: int) -> float:
    """The share of a core that a worker takes whose partitions are empty."""
    prefix = f"idle-{uuid.uuid4().hex[:8]}."
    environ = worker.environment(server, f"{prefix}raw", prefix, folder / prefix)
    environ["SLUICE_PARTITIONS"] = str(IDLE_PARTITIONS)
    await topics.create(worker.settings_of(environ))
    with Child(worker.COMMAND, folder / "scale-idle.log", environ) as child:
        await asyncio.to_thread(child.wait_line, worker.OWNS, worker.START_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        begun = child.mark()
        await asyncio.sleep(seconds)
        ended = child.mark()
        child.check()
    return (ended.cpu_s - begun.cpu_s) / (ended.at_s - begun.at_s)


def table(runs: dict[Setup, list[Run]]) -> str:
    """Medians; the ratio is of CPU per event."""
    medians = {setup: Run(*map(median, zip(*of_one, strict=True))) for setup, of_one in runs.items()}
    first = medians[SETUPS[0]].cpu_us_per_event
    rows = [
        [
            str(setup),
            f"{run.cpu_us_per_event:.2f}",
            f"{run.events_per_s:,.0f}",
            f"{run.cpu_us_per_event / first:.2f}",
        ]
        for setup, run in medians.items()
    ]
    return report.table(["", "CPU µs/event", "events/s", f"÷ {SETUPS[0]}"], rows)


def main() -> None:
    """Measure and print."""
    options = arguments()
    print(report.conditions(), flush=True)
    records = list(WORKLOADS[options.workload].events(options.events))
    runs: dict[Setup, list[Run]] = {setup: [] for setup in SETUPS}
    with tempfile.TemporaryDirectory(prefix="sluice-scale-") as name:
        kafka = EmbeddedKafka(Path(name) / "kafka")
        kafka.start()
        try:
            for number in range(1, options.rounds + 1):
                for setup, of_one in runs.items():
                    of_one.append(asyncio.run(run(kafka.bootstrap, Path(name), records, setup)))
                    told = f"round {number}, {setup}: {of_one[-1].cpu_us_per_event:.2f} µs CPU an event"
                    print(told, file=sys.stderr, flush=True)
            print("\n" + table(runs), flush=True)
            if options.idle_seconds:
                share = asyncio.run(idle(kafka.bootstrap, Path(name), options.idle_seconds))
                print(f"\n{IDLE_PARTITIONS} partitions, no traffic: {share:.2%} of a core", flush=True)
        finally:
            kafka.stop()


if __name__ == "__main__":
    main()
