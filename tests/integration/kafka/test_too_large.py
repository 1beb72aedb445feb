"""Bad records that the quarantine does not take whole: on a real Kafka, with what its producers can send."""

from __future__ import annotations

import json
import random
import time
from hashlib import sha256
from pathlib import Path

import cramjam

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.bad import padded
from tests.support.bronze_topic import rows_of, until_covered
from tests.support.feed import FeedWatcher
from tests.support.kafka import Raw, Read, create_topics, produce, read_all
from tests.support.processes import Sluice
from tests.support.record_bytes import Wire, batch_v2, send_bytes
from tests.support.recreate import configure

KIB, MIB = 1 << 10, 1 << 20


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def said(read: Read) -> dict[str, bytes | None]:
    return dict(read.headers)


async def quarantined(sluice: Sluice) -> list[Read]:
    return await read_all(sluice.settings.kafka[0], sluice.settings.topic("events.quarantine"))


async def test_what_does_not_fit_is_cut_and_blocks_nobody(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """24 MiB that zstd packs into a few hundred KiB and lz4 into more than the quarantine takes."""
    now_ms = int(time.time() * 1000)
    huge = noise(256 * KIB, 1) * 96
    assert len(cramjam.zstd.compress(huge)) < MIB
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        raw = sluice.raw_topic
        await topics.create(sluice.settings)
        good = [padded(400, now_ms, event_id=f"good-{number}") for number in range(3)]
        records = [
            Wire(0, now_ms, b"a", good[0]),
            Wire(1, now_ms, b"b", huge, ((b"traceparent", b"00-ab"),)),
            Wire(2, now_ms, b"c", b"{"),
            Wire(3, now_ms, b"d", good[1]),
        ]
        assert (await send_bytes(kafka.bootstrap, raw, 0, batch_v2(records, codec="zstd")))[0] == 0
        worker = sluice.worker()
        bronze = sluice.bronze()
        async with FeedWatcher(sluice.settings) as feed:
            await feed.caught_up(seconds=90)
            worker.kill()
            worker.start()
            await produce(kafka.bootstrap, raw, [Raw(good[2], None, now_ms), Raw(b"[]", None, now_ms)])
            await feed.caught_up(seconds=90)
        store = sluice.store
        await until_covered(sluice, store, worker, bronze, seconds=90)
        bad = await quarantined(sluice)
        assert [said(read)["offset"] for read in bad] == [b"1", b"2", b"5"]
        assert (bad[0].key, bad[0].value) == (b"b", b"")
        assert said(bad[0])["truncated"] == str(len(huge)).encode()
        assert said(bad[0])["sha256"] == sha256(huge).hexdigest().encode()
        assert (said(bad[0])["reason"], said(bad[0])["src.traceparent"]) == (b"too_large", b"00-ab")
        assert "truncated" not in said(bad[1])
        told = [worker.output_file.with_name(f"views.{run}.log").read_text() for run in (1, 2)]
        assert any("max.message.bytes" in text and f"{prefix}events.quarantine" in text for text in told)
        rows = await rows_of(store)
        assert len(rows[0, 1][0]["value_base64"]) == len(huge) * 4 / 3
        _commands(sluice, raw, len(huge))


def _commands(sluice: Sluice, raw: str, size: int) -> None:
    listed = json.loads(sluice.run("quarantine", "list", "--json").stdout)
    assert [record.get("truncated") for record in listed["records"]] == [size, None, None]
    first = listed["records"][0]["id"]
    shown = sluice.run("quarantine", "show", first)
    assert (shown.returncode, f"{raw}-0 @ 1" in shown.stderr, "_bad/" in shown.stderr) == (0, True, True)
    refused = sluice.run("quarantine", "replay", first)
    assert (refused.returncode, f"{raw}-0 @ 1" in refused.stderr, "_bad/" in refused.stderr) == (
        1,
        True,
        True,
    )
    others = sluice.run("quarantine", "replay", "--all", "--json")
    assert others.returncode == 1
    told = {"sent": 2, "topics": {raw: 2}, "replayed_before": 0, "passed_over": 0, "not_sent": 1}
    assert json.loads(others.stdout) == told


async def test_a_quarantine_that_takes_less_than_a_batch_or_a_key(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """Each fits or is cut by itself, in order; a large key, large headers; then it takes no record at all."""
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        raw, quarantine = sluice.raw_topic, sluice.settings.topic("events.quarantine")
        await create_topics(kafka.bootstrap, raw)
        await topics.create(sluice.settings)
        worker = sluice.worker()
        await worker.says("own 1 partitions", 90)
        await configure(kafka.bootstrap, quarantine, max_message_bytes=4_000)
        records = [Raw(noise(1_500, number), b"k%d" % number) for number in range(8)]
        records += [
            Raw(noise(9_000, 20), b"value"),
            Raw(b"{", noise(9_000, 21)),
            Raw(noise(9_000, 22), noise(9_500, 23)),
            Raw(b"{", b"headers", headers=tuple((f"h{n}", noise(700, n)) for n in range(20))),
            Raw(None, b"none"),
        ]
        async with FeedWatcher(sluice.settings) as feed:
            await produce(kafka.bootstrap, raw, records, max_batch_size=512 * KIB, linger_ms=50)
            await feed.caught_up(seconds=90)
            bad = await quarantined(sluice)
            assert [said(read)["offset"] for read in bad] == [b"%d" % place for place in range(len(records))]
            assert [(read.key, read.value) for read in bad[:8]] == [(r.key, r.value) for r in records[:8]]
            assert [(read.key, read.value) for read in bad[8:]] == [
                (b"value", b""), (None, b"{"), (None, b""), (b"headers", b"{"), (b"none", None),
            ]  # fmt: skip
            cut = ("truncated", "key_truncated", "src_truncated")
            assert [[said(read).get(name) for name in cut] for read in bad[7:]] == [
                [None, None, None], [b"9000", None, None], [None, b"9000", None], [b"9000", b"9500", None],
                [None, None, b"20"], [None, None, None],
            ]  # fmt: skip
            assert said(bad[9])["key_sha256"] == sha256(records[9].key or b"").hexdigest().encode()
            await configure(kafka.bootstrap, quarantine, max_message_bytes=100)
            await produce(kafka.bootstrap, raw, [Raw(b"{")])
            assert await worker.end(90) == 1
            assert f"topic {quarantine} takes no record batch" in worker.output()
            await configure(kafka.bootstrap, quarantine, max_message_bytes=MIB)
            worker.start()  # still less than what doctor asks for, which is no reason not to work
            await feed.caught_up(seconds=90)
            assert f"topic {quarantine} takes records of {MIB} bytes" in worker.output()
        assert len(await quarantined(sluice)) == len(records) + 1


async def test_a_feed_that_takes_too_little_ends_the_worker_by_name(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    now_ms = int(time.time() * 1000)
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        feed = sluice.settings.topic("views.feed")
        worker = sluice.worker()
        await worker.says("own 1 partitions", 90)
        await configure(kafka.bootstrap, feed, max_message_bytes=100)
        await produce(kafka.bootstrap, sluice.raw_topic, [Raw(padded(400, now_ms), None, now_ms)])
        assert await worker.end(90) == 1
        assert f"topic {feed} takes no record batch" in worker.output()
        assert "raise its max.message.bytes" in worker.output()
