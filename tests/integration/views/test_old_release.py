"""A feed and a Bronze that another release wrote are read on by this one: nothing is read again or rewritten.

tests/support/release.py records them with the Kafka whose topics they name: it is that broker's folder that
is started here, so that topic ids, offsets and timestamps are those of the recording.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from streams.store.bronze_reader import BronzeReader
from tables.codec import Checkpoint
from tables.views import VIEWS
from tests.support.bronze_topic import covered, hold, until_covered
from tests.support.feed import (
    FeedWatcher,
    Source,
    ask,
    feed_reader,
    quarantine_differences,
    read_oracle,
    view_differences,
    windows,
)
from tests.support.kafka import running
from tests.support.processes import Role, Sluice
from tests.support.release import RECORDED, SETTINGS, load, unpack
from tests.support.sending import produce_all

MORE = 2_000
RELEASES = sorted(Path(__file__).parent.glob("releases/*.tar.xz"))


async def read_by(worker: Role) -> int:
    """How many records a views worker has judged."""
    metrics = (await worker.get("/metrics")).text
    return sum(int(float(count)) for count in re.findall(r"(?m)^sluice_events_total{.*} (.+)$", metrics))


@pytest.mark.parametrize("archive", RELEASES, ids=lambda path: path.name.split(".")[0])
async def test_what_an_old_release_wrote_is_read_on(archive: Path, tmp_path: Path) -> None:
    for kafka in running(unpack(archive, tmp_path)):
        with Sluice(tmp_path, kafka.bootstrap, "", **SETTINGS) as sluice:
            old = (await feed_reader(sluice.settings)).checkpoints
            nexts = {partition: checkpoint.next for (_, partition), checkpoint in old.items()}
            assert sum(nexts.values()) == RECORDED
            assert await covered(sluice.store) == nexts
            files = contents(tmp_path / "store")
            await read_on(sluice)
            assert contents(tmp_path / "store").items() > files.items(), "nothing is written again"
            await bronze_goes_on(sluice, nexts)
            await views_go_on(sluice, old)


def contents(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """When each file was written, and what is in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


async def read_on(sluice: Sluice) -> None:
    """The load goes on, with duplicates of what was recorded, and this release's workers read that alone."""
    events, views, bronze = load(), sluice.worker(), sluice.bronze()
    events.take(RECORDED)
    async with FeedWatcher(sluice.settings) as feed:
        await produce_all(sluice.settings.kafka[0], sluice.raw_topic, events.take(MORE))
        await feed.caught_up()
    await until_covered(sluice, sluice.store, views, bronze)
    assert await read_by(views) == MORE
    assert await views.terminate() == await bronze.terminate() == 0


async def bronze_goes_on(sluice: Sluice, nexts: dict[int, int]) -> None:
    commits = {(partition, found.first) async for _, partition, found in BronzeReader(sluice.store).commits()}
    assert commits > nexts.items(), "this release's first commits begin where the old ones end"
    assert (await hold(sluice, sluice.store)).rows == RECORDED + MORE


async def views_go_on(sluice: Sluice, old: dict[Source, Checkpoint]) -> None:
    """A view whose definition is as it was is exact over all events; any other has those since it began."""
    reader, oracle = await feed_reader(sluice.settings), await read_oracle(sluice.settings, sluice.folder)
    changed = {
        name
        for name, view in VIEWS.items()
        for was in old.values()
        if was.views.get(name, (None,))[0] != view.definition_hash
    }
    for source, was in old.items():
        now = reader.checkpoints[source]
        assert now.topic_id == was.topic_id
        assert {name: since for name, (_, since) in now.views.items()} == {
            name: was.next if name in changed else 0 for name in VIEWS
        }
        assert now.partial_until.keys() == changed
    assert all(oracle.counts().values()), "the load has all kinds"
    found = await quarantine_differences(sluice.settings, oracle, hours=math.inf)
    newest_us = oracle.newest_us() or 0
    for names in (VIEWS.keys() - changed, changed):
        for number in range(3):
            choices = {name: windows(name, newest_us) for name in names}
            found += view_differences(
                oracle,
                {
                    name: ask(reader, sluice.settings, name, params[number % len(params)])
                    for name, params in choices.items()
                },
            )
        oracle.forget_before({partition: was.next for (_, partition), was in old.items()})
    assert not found, "\n".join(found[:40])
