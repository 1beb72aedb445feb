"""The audit's alarms on a real Kafka: sent once, again after a day, and cleared by whoever comes later."""

from __future__ import annotations

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.roles.audit.alarms import AuditAlarms
from streams.settings import Settings
from tables.gates.alarms import Alarm, decode_alarm
from tests.support.kafka import read_all
from tests.support.replica import SetClock

HOUR_SECONDS = 3600.0


async def sent(settings: Settings) -> list[Alarm]:
    records = await read_all(settings.kafka[0], settings.topic("ops.alarms"))
    return [alarm for record in records if (alarm := decode_alarm(record.value)) is not None]


async def test_an_open_alarm_is_repeated_once_a_day(kafka: EmbeddedKafka, prefix: str) -> None:
    settings = Settings.load({"SLUICE_KAFKA": kafka.bootstrap, "SLUICE_PREFIX": prefix})
    await topics.create(settings)
    clock = SetClock()
    alarms = AuditAlarms(settings, clock)
    await alarms.read()
    for hours in (0, 1, 22):
        clock.now += hours * HOUR_SECONDS
        await alarms.wrong("kpi_gmv", "it differs")
    assert [one.state for one in await sent(settings)] == ["raised"]

    later = AuditAlarms(settings, clock)
    await later.read()
    await later.wrong("kpi_gmv", "it differs")
    assert len(await sent(settings)) == 1, "it has learnt when the alarm was sent"
    clock.now += HOUR_SECONDS
    await later.wrong("kpi_gmv", "it differs")
    clock.now += HOUR_SECONDS
    await later.wrong("kpi_gmv", "it differs")
    first, second = await sent(settings)
    assert (first.alarm_id, first.at < second.at) == (second.alarm_id, True)

    last = AuditAlarms(settings, clock)
    await last.read()
    await last.right("kpi_gmv")
    await last.right("kpi_gmv")
    assert [one.state for one in await sent(settings)] == ["raised", "raised", "cleared"]
    await last.wrong("kpi_gmv", "it differs")
    assert [one.state for one in await sent(settings)][-1] == "raised"
