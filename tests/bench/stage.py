"""What the benchmarks share: progress, a folder, a topic filled with a workload."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.kafka import topics
from streams.kafka.availability import connected_admin
from streams.sources.market import Record
from tests.bench.load import PARTITIONS, ends_of, load
from tests.bench.worker import settings_of
from tests.bench.workloads import WORKLOADS
from tests.support.kafka import create_topics

STARTED = time.monotonic()
Watch = Callable[[Iterator[Record]], Iterator[Record]]


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", file=sys.stderr, flush=True)


@contextmanager
def folder_for(kept: Path | None) -> Iterator[Path]:
    """The folder for Kafka's data and logs: one to keep, or one that is removed in the end."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        yield Path(name)


async def filled_topic(server: str, name: str, count: int, watch: Watch = iter, form: str = "json") -> str:
    """The topic with `count` events of a workload; filled now, unless a former run has done so.

    `watch` sees the records as they are sent, and may change their `form`, which names the topic; of a topic
    that was there it sees none.
    """
    topic, workload = f"bench.{name}.{count}{'' if form == 'json' else f'.{form}'}", WORKLOADS[name]
    settings = settings_of({"SLUICE_KAFKA": server, "SLUICE_RAW_TOPICS": topic, "SLUICE_PREFIX": "load."})
    async with connected_admin(settings) as admin:
        is_new = topic not in await topics.describe(admin, [topic])
    if is_new:
        # A batch is measured before it is compressed, and has a header.
        await create_topics(server, topic, partitions=PARTITIONS, max_message_bytes=2 * workload.batch_bytes)
    await topics.create(settings)
    there = sum((await ends_of(settings, topic)).values())
    if there == 0:
        say(f"generating {count:,} events of {name} in {form}")
        await load(settings, topic, watch(workload.events(count)), workload.batch_bytes)
    elif there != count:
        raise SystemExit(
            f"{topic} has {there:,} events: a former run was cut short; remove the folder of --dir"
        )
    return topic
