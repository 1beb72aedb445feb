"""What Bronze asks of S3, by the settings of its ranges: `python -m tests.bench.cost`.

The simulated marketplace's events, all of them, lie in Kafka before the worker begins, so that its ranges
close by bytes: what is written then depends on the settings alone, and not on the machine. A range that
closes by seconds takes the same as one of as many events that closes by bytes; how many events it has is
measured in the end, with events that come at an even rate.
"""

from __future__ import annotations

import argparse
import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from agents.bronze.cost import Limits, Prices, cost_of
from streams.embedded.broker import EmbeddedKafka
from tests.bench import report
from tests.bench.stage import folder_for, say
from tests.bench.workloads.market import events
from tests.support.bronze_cost import URL, Counted, Run, counted, spread, written, written_meanwhile
from tests.support.processes import Sluice

MIB = 1 << 20
MAX_BYTES = 64 * MIB
"""What SLUICE_BRONZE_MAX_BYTES is by default."""


class Case(NamedTuple):
    """The settings of a run, and how many events it has."""

    partitions: int
    max_bytes: int
    city_domains: str
    events: int


CASES = (
    Case(1, MIB // 4, "", 30_000),
    Case(1, MIB, "", 60_000),
    Case(4, MIB, "", 120_000),
    Case(1, 4 * MIB, "", 120_000),
    Case(1, 16 * MIB, "", 250_000),
    Case(1, MIB, "search", 60_000),
    Case(1, 4 * MIB, "search", 120_000),
)
PACED_RATE, PACED_EVENTS, PACED_SECONDS, PACED_PARTITIONS = 300, 12_000, 3, 2


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cost", description=__doc__)
    parser.add_argument("--cases", type=int, nargs="*", metavar="N", help="only these rows, from 0")
    parser.add_argument("--dir", type=Path, help="where to work (default: a temporary folder)")
    return parser.parse_args()


async def run(server: str, folder: Path, case: Case) -> Run:
    """Write the events of a case."""
    records = spread(((one.key, one.value) for one in events(case.events, kept=None)), case.partitions)
    settings = {"bronze_max_bytes": case.max_bytes, "bronze_city_domains": case.city_domains}
    with roles(server, folder, partitions=case.partitions, max_seconds=5, **settings) as (sluice, s3):
        return await written(sluice, s3, records)


async def paced(server: str, folder: Path) -> str:
    """How many events the ranges have that close by seconds, and how many they should have."""
    with roles(server, folder, PACED_PARTITIONS, PACED_SECONDS) as (sluice, s3):
        done = await written_meanwhile(sluice, s3, PACED_RATE, PACED_EVENTS)
    traffic = replace(done.traffic, events_per_second=PACED_RATE)
    cost = cost_of(traffic, Limits(PACED_PARTITIONS, PACED_SECONDS, MAX_BYTES), Prices())
    return (
        f"{PACED_RATE}/s on {PACED_PARTITIONS} partitions, {PACED_SECONDS} s; {len(done.ranges)} ranges"
        f" of {median(done.ranges):,.0f} events (median); by the formula {cost.range_events:,.0f}"
    )


@contextmanager
def roles(
    server: str, folder: Path, partitions: int, max_seconds: int, **settings: Any
) -> Iterator[tuple[Sluice, Counted]]:
    """A worker's settings and its store, in a folder of their own."""
    name = f"cost-{uuid.uuid4().hex[:8]}"
    place = folder / name
    place.mkdir()
    more = {"partitions": partitions, "bronze_max_seconds": max_seconds, "bronze_url": URL}
    with counted(place) as s3, Sluice(place, server, f"{name}-", **more, **settings) as sluice:
        yield sluice, s3


def table(cases: Sequence[Case], runs: Sequence[Run]) -> str:
    """Of each case what it took per million events, and the formula's objects beside those there are."""
    header = [
        "partitions, max bytes, city domains", "events a range", "objects a range", "by the formula",
        "PUT", "GET", "LIST", "DELETE", "objects", "GB", "÷ raw",
    ]  # fmt: skip
    rows = []
    for case, done in zip(cases, runs, strict=True):
        ranges, millions = len(done.ranges), done.events / 1e6
        stored = done.object_bytes + done.other_bytes
        rows.append([
            f"{case.partitions}, {case.max_bytes / MIB:g} MiB, {case.city_domains or 'none'}",
            f"{done.events / ranges:,.0f}", f"{done.objects / ranges:.1f}",
            f"{done.expected_objects / ranges:.1f}",
            *(f"{done.requests[kind] / millions:,.0f}" for kind in ("put", "get", "list", "delete")),
            f"{done.objects / millions:,.0f}", f"{stored / millions / 1e9:.3f}",
            f"{stored / done.events / done.traffic.bytes_per_event:.2f}",
        ])  # fmt: skip
    return report.table(header, rows)


def fitted(runs: Sequence[Run]) -> str:
    """The constants of `agents.bronze.cost`, as these runs have them: all bytes, by least squares."""
    raw = [done.events * done.traffic.bytes_per_event for done in runs]
    taken = np.array([[one, done.objects, len(done.ranges)] for one, done in zip(raw, runs, strict=True)])
    stored = np.array([done.object_bytes + done.other_bytes for done in runs])
    weights = 1 / stored
    found, *_ = np.linalg.lstsq(taken * weights[:, None], stored * weights, rcond=None)
    off = [f"{done.expected_bytes / there - 1:+.1%}" for done, there in zip(runs, stored, strict=True)]
    return (
        f"GZIP_RATIO {found[0]:.3f}, OBJECT_BYTES {found[1]:.0f}, RANGE_BYTES {found[2]:.0f};"
        f" bytes by the formula are off by {', '.join(off)}"
    )


def main() -> None:
    """Measure, and print the table."""
    options = arguments()
    cases = [CASES[number] for number in options.cases or range(len(CASES))]
    print(report.conditions(), flush=True)
    with folder_for(options.dir) as folder:
        kafka = EmbeddedKafka(folder / "kafka")
        kafka.start()
        try:
            runs = []
            for case in cases:
                say(f"{case}")
                runs.append(asyncio.run(run(kafka.bootstrap, folder, case)))
            say("events at an even rate")
            last = asyncio.run(paced(kafka.bootstrap, folder))
        finally:
            kafka.stop()
    print(table(cases, runs), fitted(runs), last, sep="\n", flush=True)


if __name__ == "__main__":
    main()
