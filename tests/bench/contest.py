"""The contest: every contestant reads the same topic from its beginning, by turns, several times."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from streams.kafka import topics
from streams.settings import Settings
from tests.bench import bronze, worker
from tests.bench.load import PARTITIONS, ends_of
from tests.bench.process import Child, Mark, python
from tests.bench.workloads.market import BAD_EVERY

TIMEOUT_SECONDS = 900.0


class Run(NamedTuple):
    """One run of one contestant; `void` says why its result is wrong, and nothing else counts then."""

    events: int
    elapsed_s: float
    cpu_s: float
    peak_rss_mib: float
    void: str = ""

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


class ViewsRun(NamedTuple):
    """What a run of the views worker left: its settings find its topics."""

    run: Run
    settings: Settings
    outcomes: Mapping[str, int]


def run_views(arena: Arena) -> Run:
    """Contestant (c), with topics of its own, so that it begins with no state."""
    found = asyncio.run(run_worker(arena, {}))
    if found.outcomes["quarantined"] != arena.events // BAD_EVERY:
        raise RuntimeError(f"of {arena.events} events the worker has counted {dict(found.outcomes)}")
    return found.run


async def run_worker(arena: Arena, changes: Mapping[str, str]) -> ViewsRun:
    """Run `sluice worker views` with these variables besides the usual ones."""
    prefix = f"views-{uuid.uuid4().hex[:8]}."
    environ = worker.environment(arena.server, arena.topic, prefix, arena.folder / prefix) | dict(changes)
    settings = worker.settings_of(environ)
    await topics.create(settings)
    ends = await ends_of(settings, arena.topic)
    async with worker.feed_reader(settings, PARTITIONS) as feed:
        with Child(worker.COMMAND, arena.folder / "c.log", environ) as child:
            first = await asyncio.to_thread(child.wait_line, worker.OWNS, worker.START_SECONDS)
            await worker.wait_covered(feed, child, ends, TIMEOUT_SECONDS)
            run = measured(child, first, child.mark(), arena.events)
            return ViewsRun(run, settings, await _outcomes(child, arena.events))


async def _outcomes(child: Child, events: int) -> Counter[str]:
    """What the worker has counted. It has judged every event: fast and wrong is not to be measured."""
    for _ in range(100):  # counts are added right after the checkpoint was seen
        counts = worker.outcomes(child)
        if counts.total() == events:
            return counts
        await asyncio.sleep(0.1)
    raise RuntimeError(f"of {events} events the worker has counted {dict(counts)}")


def run_bronze(arena: Arena) -> Run:
    """Contestant (d), with a group and a store of its own. It waits for the last ranges' time to close."""
    return run_bronze_worker(arena)[0]


def run_bronze_worker(arena: Arena) -> tuple[Run, int]:
    """Contestant (d), and how many records it has put under `_bad`."""
    written = bronze.write(
        arena.server, arena.topic, arena.events, arena.folder,
        max_seconds=bronze.CONTEST_SECONDS, timeout_s=TIMEOUT_SECONDS,
    )  # fmt: skip
    done = asyncio.run(written)
    elapsed_s = done.last.at_s - done.first.at_s
    run = Run(arena.events, elapsed_s, done.last.cpu_s - done.first.cpu_s, done.peak_rss_mib)
    return run, done.bad


class Contestant(NamedTuple):
    """Who takes part: what the table calls it, and how it runs."""

    label: str
    run: Callable[[Arena], Run]


CONTESTANTS = {
    "a": Contestant("(a) aiokafka getmany, decoded and validated, nothing kept", run_getmany),
    "a500": Contestant(
        "(a500) the same by 500 records a call, in the processor's cache", partial(run_getmany, limit=500)
    ),
    "c": Contestant("(c) sluice worker views, all views, exactly once", run_views),
    "d": Contestant("(d) sluice worker bronze, to a local folder", run_bronze),
}


def hold(
    contestants: Mapping[str, Callable[[], Run]], rounds: int, say: Callable[[str], None]
) -> dict[str, Run]:
    """Run the contestants by turns, `rounds` times; answers each one's median of every column."""
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    for number in range(1, rounds + 1):
        say(f"round {number}: load average {load_average()}")
        for name, once in contestants.items():
            run = _tried(once)
            runs[name].append(run)
            say(f"round {number} ({name}): {_told(run)}")
        say(f"after round {number}: load average {load_average()}")
    return {name: medians(of_one) for name, of_one in runs.items()}


def _tried(once: Callable[[], Run]) -> Run:
    """A run; one that fails is void, and the others go on."""
    try:
        return once()
    except (RuntimeError, TimeoutError) as error:
        return Run(0, 0.0, 0.0, 0.0, next(iter(str(error).splitlines()), type(error).__name__))


def _told(run: Run) -> str:
    if run.void:
        return f"void: {run.void}"
    return f"{run.cpu_us_per_event:.2f} µs CPU an event, {run.events_per_s:,.0f} events/s"


def load_average() -> str:
    """Of the last 1, 5 and 15 minutes."""
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def medians(runs: list[Run]) -> Run:
    """Each column's median. One void run makes them void: a contestant is right, or it is not measured."""
    void = next((run.void for run in runs if run.void), "")
    middle = Run(*(median(column) for column in zip(*(run[:4] for run in runs), strict=True)))
    return middle._replace(void=void)
