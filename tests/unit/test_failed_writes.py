"""A write to Kafka that failed is EVENT_PUT_FAILED; a writer that is fenced has not failed."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
from aiokafka.errors import InvalidProducerEpoch, KafkaTimeoutError, ProducerFenced
from prometheus_client import REGISTRY

from streams.bus.health import Health
from streams.bus.views import ViewsOwner
from streams.settings import Settings
from tests.unit.test_owned_partition import Owned


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
