"""What a backfill costs: two years of events at once into a local folder. `python -m tests.bench.backfill`.

History is replayed as `sluice replay` does it: by event time, with Kafka timestamps of now.
Each of `--days` has as many records as any other, spread evenly over `--kinds` events, so that there are as
many objects as there can be.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.kafka.client import client_kwargs
from streams.settings import Settings
from streams.store.bronze_reader import BronzeReader
from streams.store.urls import store_at
from tests.bench import report, worker
from tests.bench.bronze import COMMAND, POLL_SECONDS
from tests.bench.process import Child
from tests.support.history import values

BATCH_BYTES = 64 * 1024
TIMEOUT_SECONDS = 900.0


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.backfill", description=__doc__)
    parser.add_argument("--records", type=int, default=230_000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--kinds", type=int, default=20, help="how many different events (default 20)")
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--max-seconds", type=int, default=10, help="SLUICE_BRONZE_MAX_SECONDS (default 10)")
    parser.add_argument("--dir", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--strace", action="store_true", help="also count the syncs; takes longer")
    return parser.parse_args()


async def fill(settings: Settings, options: argparse.Namespace) -> dict[int, int]:
    """Write all records; answers the end of each partition."""
    await topics.create(settings)
    producer = AIOKafkaProducer(
        **client_kwargs(settings), compression_type="lz4", max_batch_size=BATCH_BYTES, linger_ms=20
    )
    await producer.start()
    ends = dict.fromkeys(range(options.partitions), 0)
    try:
        made = values(options.records, options.days, options.kinds)
        for number, value in enumerate(made):
            partition = number // options.kinds % options.partitions
            await producer.send(settings.raw_topics[0], value, partition=partition)
            ends[partition] += 1
    finally:
        await producer.stop()
    return ends


async def measure(server: str, folder: Path, options: argparse.Namespace) -> str:
    """Write a backfill to a store in `folder`; answers the table of what it took."""
    name = f"backfill-{uuid.uuid4().hex[:8]}"
    environ = worker.environment(server, name, f"{name}.", folder / "data") | {
        "SLUICE_BRONZE_URL": f"file://{folder}/store",
        "SLUICE_BRONZE_MAX_SECONDS": str(options.max_seconds),
        "SLUICE_PARTITIONS": str(options.partitions),
    }
    settings = worker.settings_of(environ)
    ends = await fill(settings, options)
    store = store_at(settings.bronze_url)
    trace = folder / "strace"
    command = ["strace", "-f", "-c", "-o", str(trace)] if options.strace else []
    with Child([*command, *COMMAND], folder / "bronze.log", environ) as child:
        first = await asyncio.to_thread(child.wait_line, worker.OWNS, worker.START_SECONDS)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while True:
                child.check()
                nexts = {number: commit.next async for _, number, commit in BronzeReader(store).commits()}
                if nexts == ends:
                    break
                await asyncio.sleep(POLL_SECONDS)
        last, peak_mib = child.mark(), child.peak_rss_mib()
    entries = [entry async for entry in BronzeReader(store).objects()]
    commits = [found async for found in BronzeReader(store).commits()]
    if sum(entry.rows for entry in entries) != options.records:
        raise RuntimeError(
            f"{sum(entry.rows for entry in entries)} of {options.records} records are in Bronze"
        )
    cells = [
        f"{options.records:,} records, {options.days} days × {options.kinds} events",
        f"{options.partitions}", f"{last.at_s - first.at_s:.1f}", f"{last.cpu_s - first.cpu_s:.1f}",
        f"{peak_mib:.0f}", f"{len(commits):,}", f"{len(entries):,}",
        syncs(trace) if options.strace else "",
    ]  # fmt: skip
    header = ["backfill", "partitions", "seconds", "CPU s", "peak RSS MiB", "ranges", "objects", "syncs"]
    return report.table(header, [cells])


def syncs(trace: Path) -> str:
    """How many calls of fsync strace has counted."""
    text = trace.read_text(encoding="utf-8")
    found = re.search(r"^\s*\S+\s+\S+\s+\S+\s+(\d+).*\bfsync$", text, re.MULTILINE)
    return f"{int(found[1]):,}" if found else "?"


def main() -> None:
    """Measure, and print the table."""
    options = arguments()
    if options.strace:
        subprocess.run(["strace", "-V"], check=True, stdout=subprocess.DEVNULL, timeout=60)
    print(report.conditions(), flush=True)
    folder = Path(tempfile.mkdtemp(prefix="sluice-backfill-", dir=options.dir))
    kafka = EmbeddedKafka(folder / "kafka")
    kafka.start()
    started = time.monotonic()
    try:
        print(asyncio.run(measure(kafka.bootstrap, folder, options)), flush=True)
    finally:
        kafka.stop()
        print(f"{time.monotonic() - started:.0f} s in all; log: {folder}/bronze.log", file=sys.stderr)
        shutil.rmtree(folder / "store", ignore_errors=True)
        shutil.rmtree(folder / "kafka", ignore_errors=True)


if __name__ == "__main__":
    main()
