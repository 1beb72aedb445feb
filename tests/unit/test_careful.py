"""Record batches that are bombs, or malformed behind a right checksum: an error that says where."""

from __future__ import annotations

import gzip

import cramjam
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords

from streams.bus import expand
from streams.bus.batches import Fetched, _wanted_batches, records_of
from streams.bus.careful import UnreadableBatchError
from streams.bus.fetched_bytes import FetchedBytes
from tests.record_bytes import CODECS, Wire, batch_legacy, batch_v2, part, varint

TP = TopicPartition("events.raw", 3)


def read(data: bytes) -> list[int]:
    records = PartitionRecords(TP, FetchedBytes(data), [], 0, None, None, True, READ_COMMITTED)
    wanted = _wanted_batches(records)
    return [record.offset for record in records_of(Fetched(TP, 0, 0, wanted, 0))]


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
def test_a_batch_that_expands_to_too_much_is_named(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "LARGEST_BATCH_BYTES", 1 << 20)
    fits = batch_v2([Wire(0, 0, None, bytes(1 << 19))], codec=codec)
    assert read(fits) == [0]
    bomb = batch_v2([Wire(7, 0, None, bytes(1 << 22))], codec=codec)
    with pytest.raises(
        UnreadableBatchError, match=r"events.raw-3.* offsets 7 to 7 expands to more than 1 MiB"
    ):
        read(fits + bomb)
    if codec != "zstd":
        bomb = batch_legacy([Wire(7, 0, None, bytes(1 << 22))], 1, codec=codec)
        with pytest.raises(UnreadableBatchError, match=r"events.raw-3.*up to offset 7 expands to more than"):
            read(bomb)


def test_a_gigabyte_of_zstd_is_refused_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: bytes) -> bytes:
        raise AssertionError("it was decompressed")

    frame = bytes(cramjam.zstd.compress(bytes(1 << 20))) * 1024
    assert not expand.surely_fits(expand.ZSTD, memoryview(frame))
    assert expand.surely_fits(expand.ZSTD, memoryview(frame[: len(frame) // 8]))
    monkeypatch.setattr(cramjam.zstd, "decompress", never)
    with pytest.raises(expand.ExpandError, match="more than 256 MiB"):
        expand.expand(expand.ZSTD, memoryview(frame))


def record(*parts: bytes) -> bytes:
    body = b"\0" + varint(0) + varint(0) + b"".join(parts)
    return varint(len(body)) + body


@pytest.mark.parametrize(
    "body",
    [
        record(part(b"k"), varint(900), b"v", varint(0)),
        record(part(b"k"), part(b"v"), varint(-3)),
        record(part(b"k"), part(b"v"), varint(1), varint(-1), part(b"x")),
        record(part(b"k"), part(b"v"), varint(0), b"xx"),
        record(part(b"k"), part(b"v"), varint(0)) + b"zzz",
        varint(500) + b"\0",
        b"\x80" * 11,
        b"",
    ],
)
@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_a_malformed_record_is_named_and_none_behind_it_is_read(body: bytes, codec: str) -> None:
    good = batch_v2([Wire(0, 0, b"k", b"v")])
    bad = batch_v2([Wire(5, 0)], codec=codec, body=body)
    with pytest.raises(UnreadableBatchError, match=r"events.raw-3: .*offsets 5 to 5"):
        read(good + bad + batch_v2([Wire(6, 0)]))


def test_what_does_not_decompress_is_named() -> None:
    broken = batch_v2([Wire(5, 0)], codec="none", attributes=CODECS["gzip"], body=gzip.compress(b"x")[:-9])
    with pytest.raises(UnreadableBatchError, match=r"events.raw-3: .*offsets 5 to 5 does not decompress"):
        read(broken)
