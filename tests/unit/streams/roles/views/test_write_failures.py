"""A write to Kafka that failed is EVENT_PUT_FAILED; a writer that is fenced has not failed."""

from __future__ import annotations

import logging
import socket
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import InvalidProducerEpoch, KafkaConnectionError, KafkaTimeoutError, ProducerFenced
from faust.types import TP
from prometheus_client import REGISTRY

from streams.health import Health
from streams.roles.views.owner import ViewsOwner
from streams.settings import Settings
from tests.support.kafka import wait_until
from tests.support.views_partition import Owned


class App:
    async def crash(self, error: Exception) -> None:
        assert isinstance(error, ZeroDivisionError)


def put_failures() -> float:
    return REGISTRY.get_sample_value("sluice_errors_total", {"code": "EVENT_PUT_FAILED"}) or 0.0


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (KafkaTimeoutError(), 1),
        (OSError("away"), 1),
        (TimeoutError(), 1),
        (ProducerFenced(), 0),
        (InvalidProducerEpoch(), 0),
        (ZeroDivisionError(), 0),
    ],
    ids=repr,
)
async def test_a_checkpoint_that_fails_is_counted_unless_it_was_fenced(
    error: Exception, counted: int, caplog: pytest.LogCaptureFixture
) -> None:
    before = put_failures()
    owner = ViewsOwner(Settings.load({"SLUICE_SESSION_SECONDS": "300"}), Health())
    owner.app = cast(Any, App())  # nothing is recovered here: that waits for two heartbeats
    owned = Owned(owner._failed)
    owned.log.error = error
    await owned.take(0, 1)
    assert not await owned.partition.checkpoint()
    await owner.drain()
    await owned.partition.close()
    assert put_failures() - before == counted
    (told,) = [record for record in caplog.records if "the checkpoint of t-0 failed" in record.message]
    assert type(error).__name__ in told.message
    assert told.levelno == (logging.ERROR if counted else logging.WARNING)


async def test_every_recovery_that_fails_is_counted_until_it_succeeds() -> None:
    """A worker that cannot write for hours goes on to say so: its page must not end after the first try."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        settings = Settings.load({"SLUICE_KAFKA": f"127.0.0.1:{nobody.getsockname()[1]}"})
        owner = ViewsOwner(replace(settings, session_seconds=0), Health())

        async def beginnings(tps: set[TP]) -> dict[TP, int]:
            return dict.fromkeys(tps, 0)

        thread = SimpleNamespace(epochs={}, generation=lambda: 0, beginnings=beginnings)
        owner.app = cast(Any, SimpleNamespace(consumer=SimpleNamespace(thread=thread)))
        owned = Owned(owner._failed)
        owner._owned[TP("t", 0)] = owned.partition
        owned.log.error = KafkaConnectionError()
        before = put_failures()
        await owned.take(0, 1)
        assert not await owned.partition.checkpoint()
        await wait_until(lambda: put_failures() - before >= 3, "two recoveries to fail, after a checkpoint")
        await owner.drain()
