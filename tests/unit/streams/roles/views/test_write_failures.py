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
from streams.registry.schemas import Schemas
from streams.roles.owner import PartitionOwner
from streams.roles.views import role as role_module
from streams.roles.views.partition import ViewsPartition
from streams.roles.views.role import ViewsRole
from streams.settings import Settings
from tests.support.kafka import wait_until
from tests.support.views_partition import Owned

ONE = TP("t", 0)


class App:
    async def crash(self, error: Exception) -> None:
        assert isinstance(error, ZeroDivisionError)


def owner_of_one(settings: Settings, app: object) -> tuple[PartitionOwner[ViewsPartition], Owned]:
    """An owner, and the partition that it owns."""
    owner = PartitionOwner[ViewsPartition](settings, ViewsRole(settings), Health(), Schemas(settings))
    owner.app = cast(Any, app)
    owned = Owned(lambda partition: owner.failed(ONE, partition))
    owner._owned[ONE] = owned.partition
    return owner, owned


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
    # Nothing is recovered here: that waits for two heartbeats.
    owner, owned = owner_of_one(Settings.load({"SLUICE_SESSION_SECONDS": "300"}), App())
    owned.log.error = error
    await owned.process(0, 1)
    assert not await owned.partition.checkpoint()
    await owner.drain()
    assert put_failures() - before == counted
    (told,) = [record for record in caplog.records if "the checkpoint of t-0 failed" in record.message]
    assert type(error).__name__ in told.message
    assert told.levelno == (logging.ERROR if counted else logging.WARNING)


async def test_every_recovery_that_fails_is_counted_until_it_succeeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that cannot write for hours goes on to say so: its page must not end after the first try."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        settings = Settings.load({"SLUICE_KAFKA": f"127.0.0.1:{nobody.getsockname()[1]}"})
        monkeypatch.setattr(role_module, "RETRY_SECONDS", 0.01)

        async def beginnings(tps: set[TP]) -> dict[TP, int]:
            return dict.fromkeys(tps, 0)

        thread = SimpleNamespace(epochs={}, generation=lambda: 0, beginnings=beginnings)
        app = SimpleNamespace(consumer=SimpleNamespace(thread=thread))
        owner, owned = owner_of_one(replace(settings, session_seconds=0), app)
        owned.log.error = KafkaConnectionError()
        before = put_failures()
        await owned.process(0, 1)
        assert not await owned.partition.checkpoint()
        await wait_until(lambda: put_failures() - before >= 3, "two recoveries to fail, after a checkpoint")
        await owner.drain()
