"""Record batches that are bombs, or malformed behind a right checksum: a bad record, or an error by name."""

from __future__ import annotations

import gzip

import cramjam
import pytest

from agents.records import Unpacked
from schemas.validation.reasons import UnreadBatch
from schemas.validation.validator import Validator
from streams.kafka import decompression
from streams.kafka.batches import Fetched, records_of
from streams.kafka.message_formats import UnreadableBatchError
from tests.support.fetched_batches import TP, batches
from tests.support.record_bytes import CODECS, Wire, batch_legacy, batch_v2, part, varint


def read(data: bytes) -> list[int]:
    """As topics of our own are read."""
    return [record.offset for record in records_of(Fetched(TP, 0, 0, batches(data), 0))]


def read_raw(data: bytes, start: int = 0, size: int = 2) -> list[tuple[int, int, str]]:
    """As raw topics are read: the offsets, timestamps and verdicts."""
    unpacked, found = Unpacked(batches(data), start), []
    while records := unpacked.take(size):
        found += records
    for record in found:
        if isinstance(record.value, UnreadBatch):
            assert data.find(record.value) >= 0
            assert Validator().validate_one(record.value, record.timestamp) == record.value.why
            assert Validator().validate(record.value, record.timestamp) == record.value.why
    return [
        (
            record.offset,
            record.timestamp,
            record.value.why.reason if isinstance(record.value, UnreadBatch) else "",
        )
        for record in found
    ]


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
def test_a_batch_that_expands_to_too_much_is_named(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "LARGEST_BATCH_BYTES", 1 << 20)
    fits = batch_v2([Wire(0, 0, None, bytes(1 << 19))], codec=codec)
    assert read(fits) == [0]
    bomb = batch_v2([Wire(7, 0, None, bytes(1 << 22))], codec=codec)
    with pytest.raises(
        UnreadableBatchError, match=r"events.raw-3.* offsets 7 to 7 expands to more than 1 MiB"
    ):
        read(fits + bomb)
    more = batch_v2([Wire(9, 5)])
    assert read_raw(fits + bomb + more) == [(0, 0, ""), (7, 0, "too_large"), (9, 5, "")]
    assert read_raw(fits + bomb + more, 8) == [(9, 5, "")]
    if codec != "zstd":
        bomb = batch_legacy([Wire(7, 0, None, bytes(1 << 22))], 1, codec=codec)
        with pytest.raises(UnreadableBatchError, match=r"events.raw-3.*up to offset 7 expands to more than"):
            read(bomb)
        assert read_raw(bomb + more) == [(7, 0, "too_large"), (9, 5, "")]


def test_a_gigabyte_of_zstd_is_refused_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: bytes) -> bytes:
        raise AssertionError("it was decompressed")

    frame = bytes(cramjam.zstd.compress(bytes(1 << 20))) * 1024
    assert not decompression.surely_fits(decompression.ZSTD, memoryview(frame))
    assert decompression.surely_fits(decompression.ZSTD, memoryview(frame[: len(frame) // 8]))
    monkeypatch.setattr(cramjam.zstd, "decompress", never)
    with pytest.raises(decompression.ExpandError, match="more than 256 MiB"):
        decompression.expand(decompression.ZSTD, memoryview(frame))


def record(*parts: bytes, delta: int = 0) -> bytes:
    body = b"\0" + varint(0) + varint(delta) + b"".join(parts)
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
    more = batch_v2([Wire(6, 0)])
    with pytest.raises(UnreadableBatchError, match=r"events.raw-3: .*offsets 5 to 5"):
        read(good + bad + more)
    reason = "" if body.endswith(b"zzz") else "not_json"
    for size in (1, 2, 3, 9):
        assert read_raw(good + bad + more, size=size) == [(0, 0, ""), (5, 0, reason), (6, 0, "")]


def test_what_is_readable_of_a_batch_is_read_and_one_record_stands_for_the_rest() -> None:
    body = b"".join(record(part(None), part(b"v"), varint(0), delta=delta) for delta in (0, 1)) + varint(99)
    bad = batch_v2([Wire(5, 7), Wire(6, 7), Wire(9, 7)], codec="gzip", body=body)
    expected = [(5, 7, ""), (6, 7, ""), (9, 7, "not_json")]
    assert read_raw(bad) == expected
    for start in range(5, 10):
        for size in (1, 2, 9):
            assert read_raw(bad, start, size) == [one for one in expected if one[0] >= start]


def test_what_does_not_decompress_is_named() -> None:
    broken = batch_v2([Wire(5, 0)], codec="none", attributes=CODECS["gzip"], body=gzip.compress(b"x")[:-9])
    with pytest.raises(UnreadableBatchError, match=r"events.raw-3: .*offsets 5 to 5 does not decompress"):
        read(broken)
