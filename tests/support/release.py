"""What an older release wrote: a Kafka's whole folder and its Bronze, recorded once and unpacked by tests.

`python -m tests.support.release FOLDER ARCHIVE` records the release that is checked out in FOLDER, with this
Python: its own commands make the topics, and its workers read `RECORDED` events of the load, are told to end,
and read the other half after a start. The broker is stopped cleanly, and its folder packed as it is: topic
ids, offsets and timestamps are those that the old checkpoints and commits name.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from streams.embedded.broker import EmbeddedKafka
from tests.oracle.load import Load, Mix
from tests.support.bronze_topic import until_covered
from tests.support.feed import FeedWatcher
from tests.support.kafka import create_topics
from tests.support.patience import PATIENCE
from tests.support.processes import Sluice
from tests.support.sending import produce_all

RECORDED, PARTS = 4_000, 5
SETTINGS: dict[str, Any] = {
    "partitions": 4, "pane_minutes": 60, "pane_hours": 3, "dedupe_seconds": 900, "bronze_max_seconds": 3,
}  # fmt: skip
"""Of both releases: panes of hours and minutes, ids that are forgotten, and late events."""


def load() -> Load:
    """Five hours from 2026-03-01T00:00:00Z in `RECORDED` records; what it has after these comes later."""
    return Load(29, 1_772_323_200_000, Mix(milliseconds=4_500, duplicates_back=400, others=0))


async def write(sluice: Sluice, release: Path) -> None:
    """Let the release's own workers read the load, in two runs."""
    sluice.release = release
    found = subprocess.run(
        [sys.executable, "-c", "import streams; print(streams.__path__[0])"], env=sluice.environ(),
        cwd=sluice.folder, capture_output=True, text=True, check=True, timeout=60 * PATIENCE,
    ).stdout.strip()  # fmt: skip
    assert Path(found) == release / "streams", found
    bootstrap, events = sluice.settings.kafka[0], load()
    # It would be deleted when it is two weeks old.
    quarantine = {"partitions": SETTINGS["partitions"], "retention_ms": -1, "max_message_bytes": 16 << 20}
    await create_topics(bootstrap, "events.quarantine", **quarantine)
    created = sluice.run("topics", "create")
    assert created.returncode == 0, created.stderr
    views, bronze = sluice.worker(), sluice.bronze()
    async with FeedWatcher(sluice.settings) as feed:
        for run in range(2):
            if run > 0:
                views.start()
                bronze.start()
            for _ in range(PARTS):
                await produce_all(bootstrap, sluice.raw_topic, events.take(RECORDED // 2 // PARTS))
                await feed.caught_up()
            await until_covered(sluice, sluice.store, views, bronze)
            assert await views.terminate() == await bronze.terminate() == 0


def _unless_index(file: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Kafka makes its indexes anew."""
    return None if file.name.endswith("index") else file


def record(release: Path, archive: Path) -> None:
    """Run the release in a temporary folder, and pack what is left of it."""
    with tempfile.TemporaryDirectory() as folder:
        kafka = EmbeddedKafka(Path(folder) / "kafka")
        kafka.start()
        try:
            with Sluice(Path(folder), kafka.bootstrap, "", **SETTINGS) as sluice:
                asyncio.run(write(sluice, release))
        finally:
            kafka.stop()
        with tarfile.open(archive, "w:xz") as packed:
            for name in ("kafka/data", "store"):
                packed.add(Path(folder) / name, name, filter=_unless_index)


def unpack(archive: Path, folder: Path) -> EmbeddedKafka:
    """Its Bronze is `store` in the folder; its broker is not started yet."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return EmbeddedKafka(folder / "kafka")


if __name__ == "__main__":
    record(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
