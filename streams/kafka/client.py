"""How Sluice connects to Kafka: one place for addresses and security, for every kind of client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import BrokerNotAvailableError
from aiokafka.structs import OffsetAndMetadata

import streams.kafka.connection  # noqa: F401 - how aiokafka's clients authenticate
from streams.kafka.credentials import PasswordFile
from streams.kafka.tls import tls_context, tls_files
from streams.kafka.tokens import tokens_of
from streams.setting_groups.kafka_security import BEARER, PASSWORDS
from streams.settings import Settings

STOP_SECONDS = 3.0

Client = TypeVar("Client", AIOKafkaConsumer, AIOKafkaProducer)


def client_kwargs(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for every aiokafka client: servers and security. Raises `SettingError`."""
    kwargs: dict[str, Any] = {
        "bootstrap_servers": list(settings.kafka),
        "security_protocol": settings.kafka_security,
    }
    if settings.kafka_tls:
        kwargs["ssl_context"] = tls_context(tls_files(settings))
    if settings.kafka_sasl in PASSWORDS:
        assert settings.kafka_password_file is not None  # Settings.load has checked it
        kwargs["sasl_mechanism"] = settings.kafka_sasl
        kwargs["sasl_plain_username"] = settings.kafka_user
        kwargs["sasl_plain_password"] = PasswordFile(settings.kafka_password_file)
    elif settings.kafka_sasl is not None:
        kwargs["sasl_mechanism"] = BEARER  # so is MSK's IAM on the wire
        kwargs["sasl_oauth_token_provider"] = tokens_of(settings)
    return kwargs


@asynccontextmanager
async def reading(
    settings: Settings,
    client_id: str = "sluice",
    isolation_level: str = "read_committed",
    auto_offset_reset: str = "earliest",
) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer that belongs to no group; it is stopped at the end."""
    consumer = AIOKafkaConsumer(
        **client_kwargs(settings), client_id=client_id, isolation_level=isolation_level,
        auto_offset_reset=auto_offset_reset, enable_auto_commit=False, fetch_max_wait_ms=100,
    )  # fmt: skip
    try:
        await consumer.start()
        yield consumer
    finally:
        await stop_quietly(consumer)


async def stop_quietly(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Stop a client, whatever state it is in, within `STOP_SECONDS`; a cancellation meanwhile comes after it.

    A producer flushes first; a fenced or unreachable one raises an error that has been reported already.
    A consumer may leak the cancellation of its own fetch tasks.
    """
    if isinstance(client, AIOKafkaProducer):
        _take_exceptions(client)  # what is replaced while it stops is not found afterwards
    stopping = asyncio.create_task(client.stop())
    _take_exception(stopping)
    try:
        await _finish(stopping, STOP_SECONDS)
    finally:
        if isinstance(client, AIOKafkaProducer):
            _take_exceptions(client)


async def _finish(task: asyncio.Task[None], seconds: float) -> None:
    """Wait for a task, and cancel it after so many seconds. To be cancelled oneself does not end the wait."""
    cancelled: asyncio.CancelledError | None = None
    until = time.monotonic() + seconds
    while not task.done() and (left := until - time.monotonic()) > 0:
        try:
            await asyncio.wait([task], timeout=left)
        except asyncio.CancelledError as error:
            cancelled = error
    task.cancel()
    if cancelled is not None:
        raise cancelled


def _take_exceptions(producer: AIOKafkaProducer) -> None:
    """Retrieve exceptions left in aiokafka's own futures, which are not awaited once a producer has failed.

    The failure is known by then from the futures that it has returned.
    """
    accumulator, transactions = producer._message_accumulator, producer._txn_manager
    batches = [*chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches]
    futures = [future for batch in batches for future in (batch.future, batch._drain_waiter)]
    if transactions is not None and transactions._transaction_waiter is not None:
        futures.append(transactions._transaction_waiter)
    for future in futures:
        _take_exception(future)


async def started(client: Client, starting: Awaitable[None] | None = None) -> Client:
    """The client once it has started (by `starting`, if that is given); one that does not is released."""
    try:
        await (client.start() if starting is None else starting)
    except BaseException:
        await stop_quietly(client)
        raise
    return client


async def started_admin(settings: Settings) -> AIOKafkaAdminClient:
    """A started admin client that knows a broker; one that does not is closed. Raises aiokafka's errors.

    A broker that stood still, or starts, may answer before the cluster counts it as alive: it lists none.
    """
    admin = AIOKafkaAdminClient(**client_kwargs(settings), client_id="sluice")
    try:
        await admin.start()
    except BaseException:
        await admin.close()
        raise
    if not admin._client.cluster.brokers():
        await admin.close()
        raise BrokerNotAvailableError("it lists no broker yet")
    return admin


async def transactional_producer(
    settings: Settings, transactional_id: str, **options: Any
) -> AIOKafkaProducer:
    """A started producer: the former holder of the id is fenced, and its open transaction is aborted."""
    options = {"transaction_timeout_ms": settings.session_seconds * 1000, **options}
    return await started(
        AIOKafkaProducer(
            **client_kwargs(settings),
            client_id="sluice",
            transactional_id=transactional_id,
            compression_type="snappy",  # aiokafka's lz4 is that of level 9, at twenty times the cost
            **options,
        )
    )


async def begin_transaction(producer: AIOKafkaProducer) -> None:
    """Begin a transaction; how it ends is retrieved here: a fenced producer replaces the future for that."""
    await producer.begin_transaction()
    _take_exception(producer._txn_manager.wait_for_transaction_end())


async def send_batch(
    producer: AIOKafkaProducer, batch: Any, topic: str, partition: int
) -> asyncio.Future[Any]:
    """Queue a batch; answers the future of Kafka's answer. Raises aiokafka's errors.

    That future is a shield of another one, and lets go of it when it is cancelled: how the batch ends is
    retrieved here.
    """
    answer: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
    for queued in producer._message_accumulator._batches.get(TopicPartition(topic, partition), ()):
        _take_exception(queued.future)
    return answer


async def commit_once(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
    """Commit offsets with their metadata, of partitions that are assigned. Raises `KafkaError`; no retries.

    Not `consumer.commit`: where that is cancelled, its request goes on in a task whose error nobody takes.
    """
    coordinator: Any = consumer._coordinator
    await coordinator.ensure_coordinator_known()
    async with coordinator._commit_lock:
        committed = {tp: OffsetAndMetadata(*offset) for tp, offset in offsets.items()}
        await coordinator._do_commit_offsets(consumer._subscription.subscription.assignment, committed)


def _take_exception(future: asyncio.Future[Any]) -> None:
    """Retrieve what a future ends with, now or later."""
    future.add_done_callback(lambda done: None if done.cancelled() else done.exception())
