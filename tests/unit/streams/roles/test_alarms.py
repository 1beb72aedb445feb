"""An alarm is sent until it is written: what rests on it waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from agents import backoff
from streams.kafka import single_record
from streams.roles import alarms
from streams.settings import Settings


class FailingProducer:
    """Fails as planned: an error, "hang", or None for a success. Class attributes, as each try makes one."""

    plan: list[Exception | str | None]
    sent: list[bytes]
    stopped: int

    def __init__(self, **_: Any) -> None:
        pass

    async def start(self) -> None:
        pass

    async def send_and_wait(self, _topic: str, *, key: bytes, value: bytes, partition: int) -> None:
        del value, partition
        step = type(self).plan.pop(0)
        if isinstance(step, Exception):
            raise step
        if step == "hang":
            await asyncio.Event().wait()
        type(self).sent.append(key)

    async def stop(self) -> None:
        type(self).stopped += 1


async def test_an_alarm_is_retried_and_counted_until_it_is_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    FailingProducer.plan = [KafkaConnectionError(), OSError("away"), "hang", KafkaTimeoutError(), None]
    FailingProducer.sent, FailingProducer.stopped = [], 0
    monkeypatch.setattr(single_record, "AIOKafkaProducer", FailingProducer)
    monkeypatch.setattr(alarms, "SEND_SECONDS", 0.05)
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.001)
    await alarms.raise_lost(Settings.load({}), "bronze", "t", 3, (5, 12))
    assert FailingProducer.sent == [b"lost/bronze/t/3/5"]
    assert FailingProducer.stopped == 5
    failures = [r for r in caplog.records if "alarm lost/bronze/t/3/5 could not be written" in r.message]
    assert len(failures) == 4
