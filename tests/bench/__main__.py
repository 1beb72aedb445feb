"""`make bench`: Sluice's cost by view and format, memory, recovery, latency, in one run on one Kafka."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from tests.bench import avro, bronze, latency, memory, recovery, report, retention, views
from tests.bench.contest import TIMEOUT_SECONDS
from tests.bench.stage import folder_for, say

SECTIONS = ("views", "avro", "retention", "memory", "recovery", "latency")
OPEN_PAYOUTS = 1_000_000
MEMORY = {
    "live entity (open payout)": ("entities", 1_000_000),
    "dedupe id older than a minute": ("ids", 1_000_000),
    "group of a minute pane (50 cities, 3 views, 48 h)": ("panes", 2_880),
    "user of an experiment (an exposure, two check-outs)": ("users", 200_000),
}
LATENCY_EVENTS_PER_S, LATENCY_SECONDS = 5_000, 30


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    everything = ",".join(SECTIONS)
    parser.add_argument("--only", default=everything, help=f"some of {everything}")
    parser.add_argument(
        "--rounds", type=int, default=3, help="of views, Avro and recoveries; tables have medians"
    )
    parser.add_argument("--dir", type=Path, help="keep Kafka's data and the logs there, and use them again")
    parser.add_argument(
        "--bronze-backlog", type=int, metavar="N", help="also measure `worker bronze` on N events at once"
    )
    parser.add_argument("--avro-events", type=int, default=1_000_000, metavar="N", help="of Avro and JSON")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - {*SECTIONS}:
        parser.error(f"--only takes {everything}, not {', '.join(sorted(unknown))}")
    return options


def views_section(server: str, folder: Path, rounds: int) -> str:
    return report.costs_table(views.measure(views.arena_of(server, folder), rounds))


def avro_section(server: str, folder: Path, count: int, rounds: int) -> str:
    found = avro.measure(server, folder, count, rounds)
    return report.contest_table(found, avro.LABELS, against=["json"])


def retention_section(kafka: EmbeddedKafka, folder: Path) -> str:
    return report.retention_table(retention.measure(kafka.bootstrap, kafka.folder, folder))


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
            if "views" in names:
                print("\n" + views_section(kafka.bootstrap, folder, options.rounds), flush=True)
            if "avro" in names:
                table = avro_section(kafka.bootstrap, folder, options.avro_events, options.rounds)
                print("\n" + table, flush=True)
            if "retention" in names:
                print("\n" + retention_section(kafka, folder), flush=True)
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
