"""A batch whose sender was cancelled: however it ends, that is retrieved."""

from __future__ import annotations

import gc

from streams.embedded.broker import EmbeddedKafka
from streams.kafka.client import begin_transaction, send_batch, stop_quietly, transactional_producer
from streams.settings import Settings
from tests.support.kafka import create_topics, wait_until


async def test_a_batch_that_is_fenced_after_its_sender_was_cancelled(
    kafka: EmbeddedKafka, prefix: str
) -> None:
    """As when a partition is taken over in the middle of a checkpoint. (The fixture of all tests holds that
    nothing was dropped.)"""
    topic, name = f"{prefix}topic", f"{prefix}id"
    await create_topics(kafka.bootstrap, topic)
    settings = Settings.load({"SLUICE_KAFKA": kafka.bootstrap})
    one = await transactional_producer(settings, name)
    try:
        await begin_transaction(one)
        for fenced in (False, True):
            if fenced:
                other = await transactional_producer(settings, name)
                await stop_quietly(other)
            batch = one.create_batch()
            assert batch.append(timestamp=None, key=None, value=b"value") is not None
            answer = await send_batch(one, batch, topic, 0)
            if not fenced:
                await answer
        accumulator = one._message_accumulator
        answer.cancel()
        del answer, batch
        await wait_until(lambda: not (accumulator._batches or accumulator._pending_batches), "its end")
        gc.collect()
    finally:
        await stop_quietly(one)
