"""The contest: every contestant reads the same topic from its beginning, by turns, several times."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.process import Child, Mark

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
