"""The contest: every contestant reads the same topic from its beginning, by turns, several times."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from streams.kafka import topics
from tests.bench import bronze, worker
from tests.bench.load import PARTITIONS, ends_of
from tests.bench.process import Child, Mark, python
from tests.bench.workloads.market import BAD_EVERY

TIMEOUT_SECONDS = 900.0


class Run(NamedTuple):
    """One run of one contestant."""

    events: int
    elapsed_s: float
    cpu_s: float
    peak_rss_mib: float

    @property
    def cpu_us_per_event(self) -> float:
        return self.cpu_s / self.events * 1e6

    @property
    def events_per_s(self) -> float:
        return self.events / self.elapsed_s


@dataclass(frozen=True)
class Arena:
    """Where a contest takes place: a Kafka, its topic with `events` records, a folder for logs."""

    server: str
    topic: str
    events: int
    stock_events: int
    folder: Path


def measured(child: Child, first: Mark, last: Mark, events: int) -> Run:
    """What happened between two moments."""
    return Run(events, last.at_s - first.at_s, last.cpu_s - first.cpu_s, child.peak_rss_mib())


def run_getmany(arena: Arena, limit: int = 0) -> Run:
    """Contestant (a); `limit`: records a call, 0 without."""
    argv = python(
        "tests.bench.getmany", arena.server, arena.topic, str(PARTITIONS), str(arena.events), str(limit)
    )
    with Child(argv, arena.folder / "a.log") as child:
        first = child.wait_line("^first$", TIMEOUT_SECONDS)
        return measured(child, first, child.wait_line("^done$", TIMEOUT_SECONDS), arena.events)


def run_stock_faust(arena: Arena) -> Run:
    """Contestant (b), with an application id of its own, so that it begins at the beginning."""
    app_id = f"stock-{uuid.uuid4().hex[:8]}"
    argv = python(
        "tests.bench.stock_faust", app_id, arena.server, arena.topic, str(PARTITIONS),
        str(arena.stock_events), str(arena.folder / app_id),
    )  # fmt: skip
    with Child(argv, arena.folder / "b.log") as child:
        first = child.wait_line("^first$|] first$", TIMEOUT_SECONDS)
        return measured(child, first, child.wait_line("done$", TIMEOUT_SECONDS), arena.stock_events)


def run_views(arena: Arena) -> Run:
    """Contestant (c), with topics of its own, so that it begins with no state."""
    return asyncio.run(_run_views(arena))


async def _run_views(arena: Arena) -> Run:
    prefix = f"views-{uuid.uuid4().hex[:8]}."
    environ = worker.environment(arena.server, arena.topic, prefix, arena.folder / prefix)
    settings = worker.settings_of(environ)
    await topics.create(settings)
    ends = await ends_of(settings, arena.topic)
    async with worker.feed_reader(settings, PARTITIONS) as feed:
        with Child(worker.COMMAND, arena.folder / "c.log", environ) as child:
            first = await asyncio.to_thread(child.wait_line, worker.OWNS, worker.START_SECONDS)
            await worker.wait_covered(feed, child, ends, TIMEOUT_SECONDS)
            run = measured(child, first, child.mark(), arena.events)
            await _check(child, arena.events)
            return run


async def _check(child: Child, events: int) -> None:
    """The worker has judged every event: fast and wrong is not to be measured."""
    for _ in range(100):  # counts are added right after the checkpoint was seen
        counts = worker.outcomes(child)
        if counts.total() == events:
            break
        await asyncio.sleep(0.1)
    if counts.total() != events or counts["quarantined"] != events // BAD_EVERY:
        raise RuntimeError(f"of {events} events the worker has counted {dict(counts)}")


def run_bronze(arena: Arena) -> Run:
    """Contestant (d), with a group and a store of its own. It waits for the last ranges' time to close."""
    written = bronze.write(
        arena.server, arena.topic, arena.events, arena.folder,
        max_seconds=bronze.CONTEST_SECONDS, timeout_s=TIMEOUT_SECONDS,
    )  # fmt: skip
    done = asyncio.run(written)
    elapsed_s = done.last.at_s - done.first.at_s
    return Run(arena.events, elapsed_s, done.last.cpu_s - done.first.cpu_s, done.peak_rss_mib)


CONTESTANTS: dict[str, tuple[str, Callable[[Arena], Run]]] = {
    "a": ("aiokafka getmany, decoded and validated, nothing kept", run_getmany),
    "a500": ("the same by 500 records a call, in the processor's cache", partial(run_getmany, limit=500)),
    "b": ("stock Faust, agent by event, one table write", run_stock_faust),
    "c": ("sluice worker views, all views, exactly once", run_views),
    "d": ("sluice worker bronze, to a local folder", run_bronze),
}


def hold(arena: Arena, names: list[str], rounds: int, say: Callable[[str], None]) -> dict[str, Run]:
    """Run the contestants by turns, `rounds` times; answers each one's median of every column."""
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(1, rounds + 1):
        for name in names:
            run = CONTESTANTS[name][1](arena)
            runs[name].append(run)
            speed = f"{run.cpu_us_per_event:.2f} µs CPU an event, {run.events_per_s:,.0f} events/s"
            say(f"round {number} ({name}): {speed}")
    return {name: _medians(of_one) for name, of_one in runs.items()}


def _medians(runs: list[Run]) -> Run:
    return Run(*(median(column) for column in zip(*runs, strict=True)))
