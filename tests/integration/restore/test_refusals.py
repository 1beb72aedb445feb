"""What is restored only into a Kafka that it is right for; and two Bronzes, one after the other."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.bronze_folder import write_bronze
from tests.support.bronze_topic import until_covered
from tests.support.events import AT_MS, click
from tests.support.feed import FeedWatcher, ask, feed_reader
from tests.support.former_bronze import BAD, COUNTED, FIRST, write_two
from tests.support.kafka import Raw, Read, produce
from tests.support.processes import Sluice

DAY = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}


def restored(sluice: Sluice, *former: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    places = ",".join(f"file://{one}" for one in former)
    return sluice.run("restore", "--json", bronze_former=places, **settings)


async def test_two_bronzes_are_one_past(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        done = restored(sluice, *write_two(tmp_path, sluice.raw_topic))
        assert done.returncode == 0, done.stderr
        (part,) = json.loads(done.stdout)["partitions"]
        assert (part["first_offset"], part["records"], part["began_at"]) == (FIRST, -FIRST, 10)
        reader = await feed_reader(sluice.settings)
        (checkpoint,) = reader.checkpoints.values()
        assert (checkpoint.next, checkpoint.lost, checkpoint.partial_until) == (0, [], {})
        (row,) = ask(reader, sluice.settings, "kpi_funnel", DAY)["rows"]
        assert (row["city"], row["clicks"]) == ("oslo", COUNTED)
        bad = ask(reader, sluice.settings, "ops_quarantine", {**DAY, "group_by": "reason"})["rows"]
        assert [(one["reason"], one["quarantined"]) for one in bad if one["quarantined"]] == [
            ("payload_field", BAD)
        ]


async def test_what_cannot_be_is_refused_and_said(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        raw = sluice.raw_topic
        older, _ = write_two(tmp_path, raw)
        without = restored(sluice, older)
        assert "views.feed has 0 partitions, and Bronze has" in without.stderr
        await topics.create(sluice.settings)
        nothing = restored(sluice, tmp_path / "nothing")
        assert "nothing is committed in file://" in nothing.stderr
        write_two(tmp_path / "wider", raw, partition=3)
        few = restored(sluice, tmp_path / "wider/older")
        assert f"has 1 partitions, and Bronze has {raw}-3" in few.stderr
        assert "SLUICE_PARTITIONS=4 or more" in few.stderr

        async with FeedWatcher(sluice.settings) as feed:
            worker, bronze = sluice.worker(), sluice.bronze()
            await produce(kafka.bootstrap, raw, [Raw(click(number)) for number in range(20)])
            await feed.caught_up()
            await until_covered(sluice, sluice.store, worker, bronze)
            assert (await worker.terminate(), await bronze.terminate()) == (0, 0)
        begun = restored(sluice, older)
        assert f"a worker has begun with {raw}-0, and is at offset 20" in begun.stderr
        same = restored(sluice, tmp_path / "store", bronze_url=f"file://{tmp_path}/new")
        assert "is the topic that Bronze has: Kafka was not lost" in same.stderr
        for refused in (without, nothing, few, begun, same):
            assert refused.returncode == 1
            assert refused.stderr.count("\n") == 1, refused.stderr
        reader = await feed_reader(sluice.settings)
        assert [one.next for one in reader.checkpoints.values()] == [20], "nothing was written"


async def test_a_gap_in_bronze_is_not_passed_over(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        raw, former = sluice.raw_topic, tmp_path / "former"
        reads = [Read(0, number, AT_MS, None, click(number), ()) for number in range(30)]
        write_bronze(former, reads, ranges=3, topic=raw)
        gone = former / f"_commits/{raw}/0/{10:020d}.json"
        kept = gone.read_bytes()
        gone.unlink()
        broken = restored(sluice, former)
        assert broken.returncode == 1
        assert f"{raw}-0: a commit is missing, or not adjacent, 20 offsets before the end" in broken.stderr
        gone.write_bytes(kept)
        mended = sluice.run("restore", "--resume", bronze_former=f"file://{former}")
        assert mended.returncode == 0, mended.stderr
        assert f"{raw}-0: 20 records folded now, of 30 offsets in 3 ranges" in mended.stdout

        await produce(kafka.bootstrap, raw, [Raw(click(99))])
        unknown = restored(sluice, former)
        assert (unknown.returncode, "its id is not known, and it has records" in unknown.stderr) == (1, True)
