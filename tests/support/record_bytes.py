"""Record batches as bytes on the wire, in every format that Kafka has had: an encoder that aiokafka has no
part in, and a producer that sends such bytes as they are."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import cramjam
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from google_crc32c import value as crc32c

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "xerial": 2, "lz4": 3, "zstd": 4}
TRANSACTIONAL, CONTROL, LOG_APPEND_TIME = 0x10, 0x20, 0x08


class Wire(NamedTuple):
    """A record. Names of headers are bytes."""

    offset: int
    timestamp_ms: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()


def varint(value: int) -> bytes:
    """Zigzag of 64 bits, beyond which a number wraps around as in Java; seven bits a byte."""
    value = (value + (1 << 63)) % (1 << 64) - (1 << 63)
    value = (value << 1) ^ (value >> 63)
    value &= (1 << 64) - 1
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def part(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def record_v2(record: Wire, base_offset: int, first_ms: int) -> bytes:
    body = b"\0" + varint(record.timestamp_ms - first_ms) + varint(record.offset - base_offset)
    body += part(record.key) + part(record.value) + varint(len(record.headers))
    body += b"".join(part(name) + part(text) for name, text in record.headers)
    return varint(len(body)) + body


def packed(codec: str, data: bytes) -> bytes:
    if codec == "none":
        return data
    if codec == "gzip":
        return gzip.compress(data)
    if codec == "snappy":
        return bytes(cramjam.snappy.compress_raw(data))
    if codec == "xerial":
        blocks = [bytes(cramjam.snappy.compress_raw(data[at : at + 512])) for at in range(0, len(data), 512)]
        head = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
        return head + b"".join(struct.pack(">i", len(block)) + block for block in blocks)
    if codec == "zstd":
        return bytes(cramjam.zstd.compress(data))
    frame = cramjam.lz4.Compressor(content_checksum=False, block_linked=False)  # Kafka takes no linked blocks
    frame.compress(data)
    return bytes(frame.finish())


def batch_v2(
    records: Sequence[Wire],
    *,
    base_offset: int | None = None,
    last_offset: int | None = None,
    codec: str = "none",
    attributes: int = 0,
    newest_ms: int | None = None,
    producer: tuple[int, int, int] = (-1, -1, -1),
    body: bytes | None = None,
    count: int | None = None,
) -> bytes:
    """A batch of format 2; `body` instead of the records' bytes, `newest_ms`: the time of log append."""
    first = base_offset if base_offset is not None else records[0].offset
    last = last_offset if last_offset is not None else records[-1].offset
    first_ms = records[0].timestamp_ms if records else -1
    if newest_ms is None:
        newest_ms = max((record.timestamp_ms for record in records), default=-1)
    else:
        attributes |= LOG_APPEND_TIME
    if body is None:
        body = b"".join(record_v2(record, first, first_ms) for record in records)
    rest = struct.pack(
        ">hiqqqhii", CODECS[codec] | attributes, last - first, first_ms, newest_ms, *producer,
        len(records) if count is None else count,
    ) + packed(codec, body)  # fmt: skip
    return struct.pack(">qiibI", first, len(rest) + 9, 0, 2, crc32c(rest)) + rest


def control(offset: int, kind: int, producer: tuple[int, int, int], *, empty: bool = False) -> bytes:
    """The mark that ends a transaction; `kind` 0: it was aborted, 1: committed."""
    mark = Wire(offset, 0, struct.pack(">hh", 0, kind), b"\0" * 6)
    return batch_v2(
        [] if empty else [mark], base_offset=offset, last_offset=offset,
        attributes=TRANSACTIONAL | CONTROL, producer=producer,
    )  # fmt: skip


def message(  # noqa: PLR0917 - the fields of a message, in their order
    magic: int, offset: int, timestamp_ms: int, attributes: int, key: bytes | None, value: bytes | None
) -> bytes:
    """A message of format 0 or 1, with its offset and size."""
    body = struct.pack(">bb", magic, attributes) + (struct.pack(">q", timestamp_ms) if magic else b"")
    for data in (key, value):
        body += struct.pack(">i", -1 if data is None else len(data)) + (data or b"")
    whole = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", offset, len(whole)) + whole


def batch_legacy(
    records: Sequence[Wire], magic: int, *, codec: str = "none", newest_ms: int | None = None
) -> bytes:
    """Messages of format 0 or 1, compressed in one that wraps them; `newest_ms`: the time of log append."""
    first = records[0].offset
    append_time = LOG_APPEND_TIME if magic and newest_ms is not None else 0
    if codec == "none":
        return b"".join(
            message(
                magic,
                r.offset,
                r.timestamp_ms if newest_ms is None else newest_ms,
                append_time,
                r.key,
                r.value,
            )
            for r in records
        )
    inner = b"".join(
        message(magic, r.offset - (first if magic else 0), r.timestamp_ms, 0, r.key, r.value) for r in records
    )
    data = packed(codec, inner)
    if codec == "lz4" and magic == 0:
        at = 14 if data[4] & 0x08 else 6  # KAFKA-3160: its checksum was taken over other bytes
        data = data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :]
    outer_ms = max(r.timestamp_ms for r in records) if newest_ms is None else newest_ms
    return message(magic, records[-1].offset, outer_ms, CODECS[codec] | append_time, None, data)


async def send_bytes(bootstrap: str, topic: str, partition: int, batch: bytes) -> tuple[int, int]:
    """One produce request with these bytes; answers Kafka's error code (0: none) and the first offset."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        await client._wait_on_metadata(topic)
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        request = ProduceRequest(
            transactional_id=None, required_acks=-1, timeout=10_000, topics=[(topic, [(partition, batch)])]
        )
        answer = await client.send(leader, request)
        ((_, ((_, error, offset, *_),)),) = answer.topics
        return error, offset
    finally:
        await client.close()
