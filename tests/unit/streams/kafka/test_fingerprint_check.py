"""What a broker's answer to a read-back says, and what it leaves open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, NotLeaderForPartitionError, RequestTimedOutError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from faust.types import TP

from streams.kafka.fingerprint_check import Comparison, compare
from tables.fingerprint import RecordFingerprint, fingerprint_of
from tests.support.bronze import Record

RAW = TP("raw", 0)


def batch(first: int, values: list[bytes]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    for number, value in enumerate(values):
        builder.append(number, timestamp=1000 + number, key=None, value=value, headers=[])
    data = bytearray(builder.build())
    data[:8] = first.to_bytes(8, "big")
    return bytes(data)


def fingerprint(offset: int, timestamp: int, value: bytes) -> RecordFingerprint:
    return fingerprint_of(Record(offset, timestamp, value))


async def found(kept: RecordFingerprint, *answers: tuple[Any, ...], beginning: int = 0) -> Comparison:
    """`answers`: (error code, high watermark, records)."""

    async def send(node: int, request: object, *, group: object) -> Any:
        parts = [(0, code, highwater, 0, 0, None, -1, data) for code, highwater, data in answers]
        return SimpleNamespace(topics=[("raw", parts)] if parts else [])

    async def beginnings(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, beginning)

    consumer = SimpleNamespace(_client=SimpleNamespace(send=send), beginning_offsets=beginnings)
    return await compare(consumer, RAW, 1, kept)


async def test_a_record_is_the_same_by_offset_timestamp_and_value() -> None:
    data = batch(40, [b"a", b"b", b"c"])
    assert await found(fingerprint(41, 1001, b"b"), (0, 90, data)) is Comparison.SAME
    for other in (
        fingerprint(41, 1002, b"b"),
        fingerprint(41, 1001, b"x"),
        fingerprint(42, 1001, b"b"),
        fingerprint(43, 1001, b"b"),
    ):
        assert await found(other, (0, 90, data)) is Comparison.OTHER


async def test_what_is_before_the_beginning_or_behind_the_end() -> None:
    kept = fingerprint(41, 1001, b"b")
    assert await found(kept, (1, -1, b""), beginning=42) is Comparison.DELETED
    assert await found(kept, (1, -1, b""), beginning=41) is Comparison.BEYOND
    assert await found(kept, (0, 41, b"")) is Comparison.BEYOND


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([], RequestTimedOutError),
        ([(0, 90, b"")], RequestTimedOutError),
        ([(0, -1, b"")], RequestTimedOutError),
        ([(6, -1, b"")], NotLeaderForPartitionError),
    ],
)
async def test_an_answer_that_says_nothing_is_asked_for_again(
    answers: list[tuple[Any, ...]], error: type[KafkaError]
) -> None:
    with pytest.raises(error):
        await found(fingerprint(41, 1001, b"b"), *answers)


async def test_what_cannot_be_read_is_no_sign_of_another_topic() -> None:
    data = bytearray(batch(40, [b"a", b"b"]))
    data[-12:] = b"\xff" * 12
    assert await found(fingerprint(41, 1001, b"b"), (0, 90, bytes(data))) is Comparison.UNREADABLE
