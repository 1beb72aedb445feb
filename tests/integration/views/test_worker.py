"""The views worker on a real Kafka: what comes of raw bytes, held against the oracle."""

from __future__ import annotations

import json
import time
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.bad import LIMIT, at, bad_records, padded
from tests.oracle.load import Load, Mix, huge_charges
from tests.support.feed import FeedWatcher, exact
from tests.support.kafka import Raw, create_topics
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all, send_all, started_producer

HOUR_MS = 3_600_000


async def outcomes(worker: Role) -> dict[str, int]:
    """sluice_events_total by outcome."""
    counts: dict[str, int] = {}
    for line in (await worker.get("/metrics")).text.splitlines():
        if line.startswith("sluice_events_total{"):
            outcome = line.split('outcome="')[1].split('"')[0]
            counts[outcome] = counts.get(outcome, 0) + int(float(line.rsplit(" ", 1)[1]))
    return counts


def told_as_bad(worker: Role) -> tuple[int, int]:
    """How many quarantined records its log lines, and its EMF lines, tell of."""
    lines = [json.loads(line) for line in worker.output().splitlines() if line.startswith("{")]
    return (
        sum(
            line["count"] for line in lines if line.get("message", "").startswith("records were quarantined")
        ),
        sum(line["Errors"] for line in lines if "_aws" in line),
    )


async def test_views_and_quarantine_equal_the_oracle_also_after_a_restart(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    raw = [f"{prefix}raw-a", f"{prefix}raw-b"]
    await create_topics(kafka.bootstrap, raw[0], partitions=4)
    await create_topics(kafka.bootstrap, raw[1], partitions=2)
    now_ms = int(time.time() * 1000) - 30 * HOUR_MS
    first = Load(1, now_ms, Mix(milliseconds=2500))
    second = Load(2, now_ms, Mix(partitions=2, milliseconds=9000, late_hours=9))
    with Sluice(
        tmp_path, kafka.bootstrap, prefix,
        raw_topics=",".join(raw), pane_minutes=120, pane_hours=5, dedupe_seconds=900,
    ) as sluice:  # fmt: skip
        await topics.create(sluice.settings)
        await produce_all(kafka.bootstrap, raw[0], first.take(12_000))
        await produce_all(kafka.bootstrap, raw[1], second.take(3_000))
        api, worker = sluice.api(), sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            await feed.caught_up()
            await api.ready()
            oracle = await exact(sluice, api)
            counts = oracle.counts()
            assert all(counts.values()), f"the load has all kinds: {counts}"
            assert await outcomes(worker) == {
                "accepted": counts["folded"], "duplicate": counts["duplicate"],
                "late_dropped": counts["late_dropped"], "quarantined": counts["bad"],
            }  # fmt: skip
            await worker.terminate()
            await produce_all(kafka.bootstrap, raw[0], first.take(3_000))
            await produce_all(kafka.bootstrap, raw[0], huge_charges(1_100, int(first.now_ms), partition=2))
            worker.start()
            await feed.caught_up()
            await produce_all(kafka.bootstrap, raw[0], first.take(500))
            worker.kill()
            await produce_all(kafka.bootstrap, raw[1], second.take(500))
            worker.start()
            await feed.caught_up()
            await exact(sluice, api)


async def test_every_reason_reaches_the_quarantine_from_real_bytes(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    now_ms = int(time.time() * 1000)
    records: list[Raw] = []
    for number, (value, _) in enumerate(bad_records(now_ms)):
        key = (None, b"", b"key", b"\xff\x00\xfe")[number % 4]
        good = padded(400, now_ms, event_id=f"good-{number}")
        records += [Raw(good, None, now_ms), Raw(value, key, now_ms, 0, (("trace", b"x"),))]
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        worker = sluice.worker(emf=1)
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(kafka.bootstrap, sluice.raw_topic, records)
            await feed.caught_up()
            oracle = await exact(sluice)
        await worker.says("records were quarantined")
        assert await worker.terminate() == 0
        assert told_as_bad(worker) == (len(oracle.bad), len(oracle.bad))
    assert [bad.why for bad in oracle.bad] == [why for _, why in bad_records(now_ms)]
    assert oracle.counts()["folded"] == len(records) // 2


async def test_one_impossible_date_among_thousands(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    """Times are parsed many at once, where a wrong one must stop neither the others nor the process."""
    now_ms = int(time.time()) * 1000 - HOUR_MS
    dates = [at(now_ms, number) for number in range(3_000)]
    dates[1_500] = "2025-02-29T00:00:00Z"
    records = [
        Raw(padded(300, now_ms, event_id=f"e-{number}", occurred_at=date), None, now_ms + HOUR_MS)
        for number, date in enumerate(dates)
    ]
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        await produce_all(kafka.bootstrap, sluice.raw_topic, records)
        sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            await feed.caught_up()
            oracle = await exact(sluice)
    assert [bad.read.offset for bad in oracle.bad] == [1_500]


async def test_sizes_up_to_what_kafka_takes(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    """65,536 bytes pass, one more does not, and the largest record that a raw topic takes blocks nothing: nor
    one that it takes only because its producer packs it better than the quarantine's writer does."""
    raw_topic, most = f"{prefix}events.raw", 3_000_000
    await create_topics(kafka.bootstrap, raw_topic, max_message_bytes=most)
    now_ms = int(time.time() * 1000)
    noise = Load(3, now_ms)._random.randbytes(most - 100)
    records = [
        Raw(padded(LIMIT, now_ms, event_id="fits"), b"k", now_ms),
        Raw(padded(LIMIT + 1, now_ms, event_id="too-large"), b"k", now_ms),
        Raw(noise[:1_000_000], b"k", now_ms),
        Raw(b"{" + noise[1:], None, now_ms),
        Raw(padded(500, now_ms, event_id="after"), b"k", now_ms),
    ]
    with Sluice(tmp_path, kafka.bootstrap, prefix) as sluice:
        await topics.create(sluice.settings)
        sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(kafka.bootstrap, raw_topic, records, max_request_size=most)
            packed = [Raw(noise[:1_000_000] * 4, b"k", now_ms), records[-1]._replace(key=None)]
            await produce_all(
                kafka.bootstrap, raw_topic, packed, compression_type="zstd", max_request_size=2 * most
            )
            await feed.caught_up()
            oracle = await exact(sluice)
    assert oracle.counts() == {"folded": 2, "duplicate": 1, "late_dropped": 0, "bad": 4}


async def test_every_codec_is_read(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    load = Load(4, int(time.time() * 1000) - HOUR_MS, Mix(partitions=2, milliseconds=300))
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        await topics.create(sluice.settings)
        sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            for codec in (None, "gzip", "snappy", "lz4", "zstd"):
                records = load.take(1_500)
                await produce_all(kafka.bootstrap, sluice.raw_topic, records, compression_type=codec)
            await feed.caught_up()
            await exact(sluice)


async def test_transactional_producers_committed_and_aborted(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """What was aborted changes no view and is in no quarantine; control records hold nothing up."""
    load = Load(5, int(time.time() * 1000) - HOUR_MS, Mix(partitions=2, milliseconds=500, bad=0.1))
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        await topics.create(sluice.settings)
        raw_topic = sluice.raw_topic
        sluice.worker()
        async with FeedWatcher(sluice.settings) as feed:
            one = await started_producer(kafka.bootstrap, transactional_id=f"{prefix}1")
            other = await started_producer(kafka.bootstrap, transactional_id=f"{prefix}2")
            plain = await started_producer(kafka.bootstrap)
            for number in range(12):
                await one.begin_transaction()
                await other.begin_transaction()
                for each in (one, other, plain):  # in turn, so that their records lie between one another
                    await send_all(each, raw_topic, load.take(40))
                await (one.abort_transaction() if number % 3 == 0 else one.commit_transaction())
                await (other.abort_transaction() if number % 2 == 0 else other.commit_transaction())
                if number % 4 == 0:
                    await feed.caught_up()  # the end is then a control record
            await feed.caught_up()
            oracle = await exact(sluice)
            for each in (one, other, plain):
                await each.stop()
    counts = oracle.counts()
    assert sum(counts.values()) == 40 * (12 + 8 + 6), "aborted records are in the topic, and count nowhere"
