"""`make bench-peers`: Sluice beside programs that contain none of its code, on one topic, in one run."""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from tests.bench import report
from tests.bench.contest import Arena, Run, hold
from tests.bench.peers import sluice
from tests.bench.peers.oracle import Expected, filled
from tests.bench.peers.programs import JAVA, PYTHON, chosen
from tests.bench.stage import folder_for, say
from tests.bench.workloads import WORKLOADS

EVENTS = {"payments": 2_000_000, "market": 1_000_000}
FAUST_EVENTS = 50_000
AGAINST = ("aiokafka", "bytewax", "kafka-streams")
SLUICE: dict[str, Callable[[Arena, Expected], Run]] = {
    "views": sluice.run_views,
    "recon": partial(sluice.run_views, views=sluice.RECON),
    "bronze": sluice.run_bronze,
}
LABELS = {
    "librdkafka": "limit of librdkafka: consume(10000), decoded",
    "aiokafka": "limit of aiokafka: getmany, decoded",
    "bytewax": "Bytewax, the whole job",
    "quixstreams": "Quix Streams, the whole job",
    "kafka-streams": "Kafka Streams, one thread, the whole job",
    "faust": "stock Faust, the whole job, fewer events",
    "views": "sluice worker views, all views",
    "recon": "sluice worker views, SLUICE_VIEWS=ops_recon_variance",
    "bronze": "sluice worker bronze",
}
PACKAGES = ("aiokafka", "bytewax", "confluent-kafka", "faust-streaming", "msgspec", "quixstreams")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--workload", choices=WORKLOADS, help="which events (default: all, one by one)")
    parser.add_argument(
        "--events", type=int, help="events in the topic (default: payments 2,000,000, market 1,000,000)"
    )
    parser.add_argument("--faust-events", type=int, default=FAUST_EVENTS, help="events that Faust reads")
    parser.add_argument("--only", default=",".join(LABELS), help=f"some of {','.join(LABELS)}")
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of each contestant; the table has medians"
    )
    parser.add_argument("--dir", type=Path, help="keep Kafka's data and the logs there, and use them again")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - LABELS.keys():
        parser.error(f"--only takes {','.join(LABELS)}, not {', '.join(sorted(unknown))}")
    return options


def versions() -> str:
    """Of what the peers are made of."""
    asked = f"from importlib.metadata import version\nfor name in {PACKAGES}: print(name, version(name))"
    python = subprocess.run([PYTHON, "-c", asked], check=True, capture_output=True, text=True, timeout=60)
    java = subprocess.run(["java", "-version"], check=True, capture_output=True, text=True, timeout=60)
    jars = [
        re.sub(r"-(?=\d)", " ", jar.stem, count=1)
        for name in ("kafka-streams", "jackson-core")
        for jar in (JAVA / "target/lib").glob(f"{name}-*.jar")
    ]
    return ", ".join([*python.stdout.splitlines(), *jars, java.stderr.splitlines()[0]])


def contest(server: str, folder: Path, workload: str, options: argparse.Namespace) -> str:
    """Everybody on one workload; answers the table."""
    events = options.events or EVENTS[workload]
    topic, expected = asyncio.run(filled(server, workload, events, folder))
    arena = Arena(server, topic, events, folder)
    contestants: dict[str, Callable[[], Run]] = {}
    for name in options.only.split(","):
        if name in SLUICE:
            contestants[name] = partial(SLUICE[name], arena, expected)
        elif name == "faust":
            few = min(options.faust_events, events)
            faust_topic, faust_expected = asyncio.run(filled(server, workload, few, folder))
            contestants[name] = chosen(name, Arena(server, faust_topic, few, folder), faust_expected)
        else:
            contestants[name] = chosen(name, arena, expected)
    table = report.contest_table(hold(contestants, options.rounds, say), LABELS, AGAINST)
    return f"{workload}: {events:,} events, {expected.bad:,} bad, {expected.repeated:,} repeated\n{table}"


def main() -> None:
    """Run what was asked for and print its tables."""
    options = arguments()
    if not PYTHON.exists():
        raise SystemExit(f"{PYTHON} is missing: `make bench-peers` makes it")
    print(f"{report.conditions()}\n{versions()}", flush=True)
    with folder_for(options.dir) as folder:
        kafka = EmbeddedKafka(folder / "kafka")
        kafka.start()
        try:
            for workload in [options.workload] if options.workload else EVENTS:
                print("\n" + contest(kafka.bootstrap, folder, workload, options), flush=True)
        finally:
            kafka.stop()


if __name__ == "__main__":
    main()
