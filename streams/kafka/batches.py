"""Record batches as Kafka sends them, undecoded: passed to agents instead of an object per record.

aiokafka's own `getmany` builds a Python object for every record. Here a fetched partition is passed on as its
record batches, checked (CRC) and without control and aborted batches; the code that folds them iterates a
batch and reads `.offset`, `.timestamp`, `.key` and `.value` of its records. This and `fetched_bytes`, which
keeps the bytes of a fetch, are the only modules that use aiokafka's fetcher; the aiokafka version is pinned
for them, and tests/integration covers every path.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException

from agents.protocols import SLICE_RECORDS
from agents.records import Unpacked
from streams.kafka.fetched_bytes import Batches, FetchedBytes, bounded


class Fetched(NamedTuple):
    """One partition's share of a fetch.

    `before`/`after`: the consumer's position before and after it, so there is nothing between two consecutive
    shares. `batches`: record batches, in order (`Batches`, to be iterated once); the first may begin below
    `before`. `epoch`: the count of seeks at the time (transport only). `highwater`: the partition's end as of
    the fetch.
    """

    tp: TopicPartition
    before: int
    after: int
    batches: list[Any]
    highwater: int
    epoch: int = 0


def records_of(fetched: Fetched) -> Iterator[Any]:
    """All records at or after `before`, one object each: for Sluice's own topics, where none may be missing.

    Raises `UnreadableBatchError`.
    """
    return chain.from_iterable(parts_of(fetched, SLICE_RECORDS))


def parts_of(fetched: Fetched, count: int) -> Iterator[list[Any]]:
    """The same, up to `count` records at a time."""
    records = Unpacked(fetched.batches, fetched.before, strict=True)
    while part := records.take(count):
        yield part


async def fetch_batches(
    consumer: AIOKafkaConsumer,
    timeout_s: float,
    only: Collection[TopicPartition] | None = None,
    epochs: dict[TopicPartition, int] | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> list[Fetched]:
    """Take what the consumer has fetched, waiting up to `timeout_s` seconds for records.

    Positions advance past all that is returned, control batches included (then `batches` may be empty).
    Returns nothing once `wanted()` is false, which is asked whenever there may be something to take.
    Raises aiokafka's errors for authorization and corrupt records.
    """
    fetcher = consumer._fetcher
    subscriptions = fetcher._subscriptions
    deadline = time.monotonic() + timeout_s
    with subscriptions.fetch_context():
        while True:
            if consumer._closed or fetcher._closed:
                raise ConsumerStoppedError
            if subscriptions.reassignment_in_progress:
                await subscriptions.wait_for_assignment()
            if not wanted():
                return []
            taken = _take(fetcher, only, epochs)
            remaining = deadline - time.monotonic()
            if taken or remaining <= 0:
                return taken
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=remaining)
            if not done:
                waiter.cancel()
                return []
            waiter.result()


def _take(
    fetcher: Any, only: Collection[TopicPartition] | None, epochs: dict[TopicPartition, int] | None
) -> list[Fetched]:
    taken: list[Fetched] = []
    for tp in list(fetcher._records):
        if only is not None and tp not in only:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        result = fetcher._records[tp]
        if (
            type(result) is not FetchResult
        ):  # an error: pass on what there is first, raise it at the next call
            if taken:
                return taken
            _drop(fetcher, tp)
            result.check_raise()
            continue
        if result.check_assignment(tp):
            taken.append(_drain(tp, result, epochs))
        elif fetcher._subscriptions.is_assigned(tp) and result.has_more():  # paused: kept for later
            continue
        _drop(fetcher, tp)
    return taken


def _drop(fetcher: Any, tp: TopicPartition) -> None:
    del fetcher._records[tp]
    fetcher._notify(fetcher._wait_consume_future)


def _drain(tp: TopicPartition, result: FetchResult, epochs: dict[TopicPartition, int] | None) -> Fetched:
    partition_records: PartitionRecords = result._partition_records
    before: int = partition_records.next_fetch_offset
    try:
        batches = _wanted_batches(partition_records)
    finally:
        result._update_position()
        # The generator that aiokafka created and never ran forms a cycle that pins the fetch buffer.
        partition_records._records_iterator.close()
        partition_records._records_iterator = None
        result._partition_records = None
    state = result._assignment.state_value(tp)
    end = state.lso if partition_records._isolation_level == READ_COMMITTED else state.highwater
    after = partition_records.next_fetch_offset
    return Fetched(tp, before, after, batches, max(end or 0, after), epochs.get(tp, 0) if epochs else 0)


def _wanted_batches(fetched: PartitionRecords) -> Batches:
    records: FetchedBytes = fetched._records
    wanted = Batches(fetched._tp)
    add, add_piece = wanted.append, wanted.pieces.append
    check_crcs, read_committed = fetched._check_crcs, fetched._isolation_level == READ_COMMITTED
    for data, batch in records.batches():
        if check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {fetched._tp} below offset {batch.next_offset}")
        control = batch.is_control_batch
        aborted = False
        if read_committed and batch.producer_id is not None:
            fetched._consume_aborted_up_to(batch.base_offset)
            if control and _is_abort_marker(batch):
                fetched._aborted_producers.discard(batch.producer_id)
            aborted = batch.is_transactional and batch.producer_id in fetched._aborted_producers
        fetched.next_fetch_offset = max(fetched.next_fetch_offset, batch.next_offset)
        if not control and not aborted:
            add(bounded(batch, data) if batch.compression_type else batch)
            add_piece(data)
    return wanted


_CONTROL_KEY = struct.Struct(">hh")  # version, type
_ABORT = 0


def _is_abort_marker(batch: Any) -> bool:
    """Whether a control batch ends an aborted transaction; one emptied by compaction does not."""
    for record in batch:
        return (
            len(record.key or b"") >= _CONTROL_KEY.size and _CONTROL_KEY.unpack_from(record.key)[1] == _ABORT
        )
    return False
