"""The limit of librdkafka: `consume(10000)` and a plain msgspec decode of each value, nothing else."""

from __future__ import annotations

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.bench.peers.contestants.decoding import plain_decoder
from tests.bench.peers.contestants.protocol import begun, done, task


def main() -> None:
    """Read and decode all records."""
    asked = task()
    decode = plain_decoder(asked.schemas).decode
    consumer = Consumer(
        {"bootstrap.servers": asked.server, "group.id": asked.name, "enable.auto.commit": False}
    )
    parts = [TopicPartition(asked.topic, number, OFFSET_BEGINNING) for number in range(asked.partitions)]
    left, refused = asked.events, 0
    begun()
    consumer.assign(parts)
    while left > 0:
        for message in consumer.consume(10_000, timeout=1.0):
            value = message.value()
            try:
                decode(value or b"")
            except msgspec.DecodeError:
                refused += message.error() is None
            left -= message.error() is None
    done({"records": asked.events - left, "refused": refused}, asked)


if __name__ == "__main__":
    main()
