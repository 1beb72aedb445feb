"""`make bench`: measures Sluice against what people would pick instead, in one run on one embedded Kafka."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.bench import bronze, latency, memory, recovery, report
from tests.bench.contest import CONTESTANTS, TIMEOUT_SECONDS, Arena, hold
from tests.bench.load import ends_of, load
from tests.bench.worker import settings_of
from tests.bench.workloads import WORKLOADS

STARTED = time.monotonic()
SECTIONS = ("memory", "recovery", "latency")
OPEN_PAYOUTS = 1_000_000
MEMORY = {
    "live entity (open payout)": ("entities", 1_000_000),
    "dedupe id older than a minute": ("ids", 1_000_000),
    "group of a minute pane (50 cities, 3 views, 48 h)": ("panes", 2_880),
}
LATENCY_EVENTS_PER_S, LATENCY_SECONDS = 5_000, 30


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--events", type=int, default=1_000_000, help="events in the topic (default 1,000,000)"
    )
    parser.add_argument(
        "--workload", choices=WORKLOADS, default="market", help="which events (default market)"
    )
    parser.add_argument("--stock-events", type=int, default=50_000, help="how many of them stock Faust reads")
    everything = ",".join((*CONTESTANTS, *SECTIONS))
    parser.add_argument("--only", default=everything, help=f"some of {everything}")
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of each contestant; the table has medians"
    )
    parser.add_argument("--dir", type=Path, help="keep Kafka's data and the logs there, and use them again")
    parser.add_argument(
        "--bronze-backlog", type=int, metavar="N", help="also measure `worker bronze` on N events at once"
    )
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - {*CONTESTANTS, *SECTIONS}
    if unknown:
        parser.error(f"--only takes {everything}, not {', '.join(sorted(unknown))}")
    return options


@contextmanager
def folder_for(kept: Path | None) -> Iterator[Path]:
    """The folder for Kafka's data and logs: one to keep, or one that is removed in the end."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        yield Path(name)


async def filled_topic(server: str, name: str, count: int) -> str:
    """The topic with `count` events of a workload; filled now, unless a former run has done so."""
    topic, workload = f"bench.{name}.{count}", WORKLOADS[name]
    settings = settings_of({"SLUICE_KAFKA": server, "SLUICE_RAW_TOPICS": topic, "SLUICE_PREFIX": "load."})
    await topics.create(settings)
    there = sum((await ends_of(settings, topic)).values())
    if there == 0:
        say(f"generating {count:,} events of {name}")
        await load(settings, topic, workload.events(count), workload.batch_bytes)
    elif there != count:
        raise SystemExit(
            f"{topic} has {there:,} events: a former run was cut short; remove the folder of --dir"
        )
    return topic


def contest(server: str, folder: Path, names: list[str], options: argparse.Namespace) -> str:
    topic = asyncio.run(filled_topic(server, options.workload, options.events))
    arena = Arena(server, topic, options.events, min(options.stock_events, options.events), folder)
    return report.contest_table(hold(arena, names, options.rounds, say))


def memory_section() -> str:
    uses = {}
    for what, (kind, count) in MEMORY.items():
        say(f"memory of {count:,} {kind}")
        uses[what] = memory.measure(kind, count)
    return report.memory_table(uses)


def recovery_section(kafka: EmbeddedKafka, folder: Path, rounds: int) -> str:
    say(f"recovery: writing the feed of {OPEN_PAYOUTS:,} open payouts (some minutes)")
    environ = asyncio.run(recovery.build(kafka.bootstrap, OPEN_PAYOUTS, folder / "recovery"))
    say("recovery: starting workers on it")
    found = recovery.measure(environ, OPEN_PAYOUTS, kafka.folder, folder / "recovery.log", rounds)
    return report.recovery_table(found)


def latency_section(server: str, folder: Path) -> str:
    say(f"latency: {LATENCY_EVENTS_PER_S:,} events/s for {LATENCY_SECONDS} s")
    found = asyncio.run(latency.measure(server, folder, LATENCY_EVENTS_PER_S, LATENCY_SECONDS))
    return report.latency_table(found, LATENCY_EVENTS_PER_S)


def backlog_section(server: str, folder: Path, count: int) -> str:
    say(f"a backlog of {count:,} events for Bronze")
    found = asyncio.run(bronze.backlog(server, count, folder, timeout_s=TIMEOUT_SECONDS))
    return report.backlog_table(found, count)


def main() -> None:
    """Run what was asked for and print its tables."""
    options = arguments()
    names = options.only.split(",")
    print(report.conditions(), flush=True)
    with folder_for(options.dir) as folder:
        kafka = EmbeddedKafka(folder / "kafka")
        kafka.start()
        try:
            if contestants := [name for name in names if name in CONTESTANTS]:
                print("\n" + contest(kafka.bootstrap, folder, contestants, options), flush=True)
            if "memory" in names:
                print("\n" + memory_section(), flush=True)
            if "recovery" in names:
                print("\n" + recovery_section(kafka, folder, options.rounds), flush=True)
            if "latency" in names:
                print("\n" + latency_section(kafka.bootstrap, folder), flush=True)
            if options.bronze_backlog:
                print("\n" + backlog_section(kafka.bootstrap, folder, options.bronze_backlog), flush=True)
        finally:
            kafka.stop()


if __name__ == "__main__":
    main()
