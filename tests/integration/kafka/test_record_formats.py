"""Records of real producers on a real Kafka: header names of any bytes, every codec, aborted transactions,
records without a timestamp, and segments of the message formats 0 and 1."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.bronze_topic import all_read
from tests.support.events import charge
from tests.support.feed import FeedWatcher, exact
from tests.support.kafka import Raw, create_topics, produce, read_all
from tests.support.processes import Sluice
from tests.support.record_bytes import CODECS, Wire, batch_legacy, batch_v2, send_bytes
from tests.support.repeats import repeats

HOUR_MS = 3_600_000
NAME = b"k\xe9y\\"
BAD = b'{"not":"an event"}'


async def test_headers_of_any_name_and_every_codec_end_nobody(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    now_ms = int(time.time() * 1000) - HOUR_MS
    own = ((NAME, b"1"), (b"traceparent", b"00-ab"), (b"\xff", None), (b"traceparent", b"00-cd"), (b"", b""))
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        raw = sluice.raw_topic
        await topics.create(sluice.settings)
        number = 0
        for codec in CODECS:
            records = []
            for offset in range(6):
                value = BAD if offset in (2, 4) else charge(number, now_ms)
                headers = own if offset in (1, 2) else ()
                records.append(Wire(offset, now_ms + offset, b"key", value, headers))
                number += 1
            assert (await send_bytes(kafka.bootstrap, raw, 0, batch_v2(records, codec=codec)))[0] == 0
        views, bronze = sluice.worker(), sluice.bronze()
        async with FeedWatcher(sluice.settings) as feed:
            rows = await all_read(sluice, feed, views, bronze)
            for worker in (views, bronze):  # and from the feed and the store, in the middle of a batch
                worker.kill()
                worker.start()
            assert (await send_bytes(kafka.bootstrap, raw, 0, batch_v2(records)))[0] == 0
            rows = await all_read(sluice, feed, views, bronze)
        offsets = list(range(6 * (len(CODECS) + 1)))
        assert [row.offset for row in rows.records[raw]] == offsets
        quarantined = await read_all(kafka.bootstrap, sluice.settings.topic("events.quarantine"))
        assert [dict(read.headers)["offset"] for read in quarantined] == [
            str(offset).encode() for offset in offsets if offset % 6 in (2, 4)
        ]
        carried = [name_and_value for name_and_value in quarantined[0].headers if "src" in name_and_value[0]]
        assert carried == [
            ("src.k\\xe9y\\x5c", b"1"), ("src.traceparent", b"00-ab"), ("src.\\xff", None),
            ("src.traceparent", b"00-cd"), ("src.", b""),
        ]  # fmt: skip
        assert len(quarantined[1].headers) == 8
        # Replayed, they are back in the raw topic as their producer sent them.
        assert sluice.run("quarantine", "list", "--json").returncode == 0
        replayed = sluice.run("quarantine", "replay", "0:0", "0:1", "--json")
        assert json.loads(replayed.stdout)["sent"] == 2, replayed.stderr
        again = (await read_all(kafka.bootstrap, raw))[len(offsets) :]
        surrogates = tuple((name.decode("utf-8", "surrogateescape"), text) for name, text in own)
        assert [(read.value, read.headers) for read in again] == [(BAD, surrogates), (BAD, ())]


async def test_foreign_headers_in_our_own_topics_end_no_reader(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    now_ms = int(time.time() * 1000)
    foreign = ((b"k\xe9y", b"1"),)
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        settings = sluice.settings
        await topics.create(settings)
        mine = {"views.feed": b"h:nobody", "ops.gates": b"nowhere|EUR", "events.quarantine": b"k"}
        for name, key in mine.items():
            record = Wire(0, now_ms, key, None, foreign)
            assert (await send_bytes(kafka.bootstrap, settings.topic(name), 0, batch_v2([record])))[0] == 0
        await produce(
            kafka.bootstrap, settings.raw_topics[0], [Raw(charge(1, now_ms), None, now_ms), Raw(BAD)]
        )
        worker, api = sluice.worker(), sluice.api()
        gates = sluice.gates()
        async with FeedWatcher(settings) as feed:
            await feed.caught_up()
        await api.ready()
        await gates.ready()
        assert (await api.get("/v1/gates/recon")).status_code == 200
        listed = sluice.run("quarantine", "list", "--json")
        assert json.loads(listed.stdout)["total"] == 2, listed.stderr
        for role in (worker, api, gates):
            assert await role.terminate() == 0, role.tail()


async def test_aborted_transactions_and_records_without_a_timestamp(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    now_ms = int(time.time() * 1000) - HOUR_MS
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        raw = sluice.raw_topic
        await topics.create(sluice.settings)
        await _transactions(kafka.bootstrap, raw, prefix, now_ms)
        # What a producer without a clock sends, alone and among others; -5 is taken by a broker, too.
        stamps = [-1, now_ms, -1, -5]
        records = [
            Wire(place, stamp, b"k", charge(100 + place, now_ms), ((NAME, b""),) if place == 2 else ())
            for place, stamp in enumerate(stamps)
        ]
        records += [Wire(4, -1, None, charge(100, now_ms)), Wire(5, -1, None, BAD)]
        assert (await send_bytes(kafka.bootstrap, raw, 0, batch_v2(records)))[0] == 0
        assert (await send_bytes(kafka.bootstrap, raw, 0, batch_v2(records[:1], codec="gzip")))[0] == 0
        views, bronze = sluice.worker(), sluice.bronze()
        async with FeedWatcher(sluice.settings) as feed:
            rows = await all_read(sluice, feed, views, bronze)
            oracle = await exact(sluice)
        read = await read_all(kafka.bootstrap, raw)
    assert [row.offset for row in rows.records[raw]] == [record.offset for record in read]
    assert [row.timestamp_ms for row in rows.records[raw]][-7:] == [*stamps, -1, -1, -1]
    assert (oracle.counts()["folded"], oracle.counts()["duplicate"], oracle.counts()["bad"]) == (6, 2, 1)


async def _transactions(bootstrap: str, raw: str, prefix: str, now_ms: int) -> None:
    """One that is committed, one that is aborted, and one more."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{prefix}shop")
    await producer.start()
    try:
        for number, aborted in enumerate((False, True, False)):
            await producer.begin_transaction()
            await producer.send_and_wait(raw, charge(number, now_ms), timestamp_ms=now_ms)
            await (producer.abort_transaction() if aborted else producer.commit_transaction())
    finally:
        await producer.stop()


@pytest.mark.parametrize("magic", repeats(0, 1))
async def test_segments_of_old_message_formats_are_read(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path, magic: int
) -> None:
    now_ms = int(time.time() * 1000) - HOUR_MS
    number, segment = 0, b""
    for codec, append_ms in (
        ("none", None), ("gzip", None), ("snappy", now_ms), ("xerial", None), ("lz4", now_ms),
    ):  # fmt: skip
        records = []
        for place in range(10):
            value = {3: BAD, 7: None}.get(place, charge(number, now_ms))
            records.append(Wire(number, now_ms + number, b"key", value))
            number += 1
        segment += batch_legacy(records, magic, codec=codec, newest_ms=append_ms)
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=1) as sluice:
        raw = sluice.raw_topic
        await create_topics(own_kafka.bootstrap, raw)
        await topics.create(sluice.settings)
        own_kafka.stop()
        _put_segment(own_kafka.folder / "data" / f"{raw}-0", segment)
        own_kafka.start()
        views, bronze = sluice.worker(), sluice.bronze()
        async with FeedWatcher(sluice.settings) as feed:
            await all_read(sluice, feed, views, bronze)
            await exact(sluice)
            for worker in (views, bronze):
                worker.kill()
                worker.start()
            await produce(own_kafka.bootstrap, raw, [Raw(charge(number, now_ms), None, now_ms)])
            rows = await all_read(sluice, feed, views, bronze)
            oracle = await exact(sluice)
    assert [row.offset for row in rows.records[raw]] == list(range(number + 1))
    assert rows.records[raw][1].timestamp_ms == (now_ms + 1 if magic else -1)
    assert (oracle.counts()["folded"], oracle.counts()["bad"]) == (41, 10)


def _put_segment(partition: Path, data: bytes) -> None:
    """A segment as a broker of its time would have left it; the indexes are made anew at the start."""
    for file in partition.glob("0*"):
        file.unlink()
    (partition / "00000000000000000000.log").write_bytes(data)
