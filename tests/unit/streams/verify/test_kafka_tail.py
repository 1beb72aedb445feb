"""How much of what is only in Kafka is in memory at a time."""

from __future__ import annotations

import pytest

from streams.verify.kafka_tail import RANGE_BYTES, range_bytes

MIB = 1 << 20


@pytest.mark.parametrize(("partitions", "mib"), [(1, 16), (3, 16 / 3), (4, 4), (16, 1), (64, 1)])
def test_the_partitions_share_it(partitions: int, mib: float) -> None:
    assert range_bytes(partitions) == int(mib * MIB)
    assert partitions * range_bytes(partitions) <= max(RANGE_BYTES, partitions * MIB)
