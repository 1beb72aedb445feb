"""What `sluice topics list --acls` prints is what the roles need, and nothing more, on a real authorizer."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError

from streams.embedded.broker import JARS
from streams.kafka.acls import ROLES
from streams.kafka.client import client_kwargs, started
from streams.kafka.topics import plan
from streams.roles.alarms import send_alarm
from streams.settings import Settings
from tables.gates.alarms import audit_alarm
from tests.oracle.bad import event, padded
from tests.support.acls import decisions, listed
from tests.support.bronze_topic import until_covered
from tests.support.feed import FeedWatcher
from tests.support.former_bronze import write_two
from tests.support.granted import Granted
from tests.support.kafka import Raw, produce, read_all, wait_until
from tests.support.patience import PATIENCE
from tests.support.processes import Role, Sluice
from tests.support.receiver import Receiver
from tests.support.recreate import delete_records
from tests.support.secured import PASSWORD, USER, SecuredKafka, environ_of

ADMIN = """\
security.protocol=SASL_SSL
ssl.truststore.type=PEM
ssl.truststore.location={ca}
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  username="{user}" password="{password}";
"""
TOOL = """\
#!/bin/sh
exec java -XX:TieredStopAtLevel=1 -cp '{jars}/*' org.apache.kafka.tools.AclCommand "$@"
"""
AUDITED = "kpi_gmv"
PAYOUT = {"payout_id": "pay-1", "provider_id": "prv-1", "amount_minor": 10**6, "currency": "EUR"}


@pytest.fixture
def sluice(secured: SecuredKafka, prefix: str, tmp_path: Path) -> Iterator[Sluice]:
    """One that gives alarms at the first sign."""
    (tmp_path / "schemas").mkdir()
    with Sluice(
        tmp_path, secured.bootstrap, prefix, partitions=1, gate_raise=1,
        schema_registry_url=f"file://{tmp_path}/schemas", registry_wait_seconds=1,
    ) as running:  # fmt: skip
        yield running


@pytest.fixture
def granted(sluice: Sluice, secured: SecuredKafka) -> Granted:
    return Granted(sluice, secured)


async def test_the_commands_are_those_of_kafka_itself(
    secured: SecuredKafka, granted: Granted, tmp_path: Path
) -> None:
    settings = {"ca": secured.ca_file, "user": USER, "password": PASSWORD}
    (tmp_path / "admin.properties").write_text(ADMIN.format(**settings))
    tool = tmp_path / "kafka-acls"
    tool.write_text(TOOL.format(jars=JARS))
    tool.chmod(0o755)
    commands = granted.printed("bronze") + granted.printed("gates")
    commands = commands.replace(secured.servers["MTLS"], secured.servers["SASL_SSL"])
    done = await asyncio.to_thread(
        subprocess.run, ["sh", "-e"], input=commands, text=True, cwd=tmp_path, capture_output=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=False, timeout=60 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for role in ("bronze", "gates"):
        assert await listed(secured.bootstrap, granted.principal(role)) == set(granted.entries(role))


async def test_all_roles_work_and_use_every_right(
    secured: SecuredKafka, sluice: Sluice, granted: Granted, prefix: str
) -> None:
    rights = await granted.grant(*(role for role in ROLES if role != "restore"))  # of another, empty Kafka
    await granted.does("admin", "topics", "create")
    assert "grown from 1 to 2" in await granted.does("admin", "topics", "create", partitions=2)
    await granted.does("admin", "topics", "list")
    former = granted.started("views", "worker", "views", name="former", views="ops_recon_variance")
    bronze, gates = (granted.started(role, "worker", role) for role in ("bronze", "gates"))
    api, ingest = granted.started("api", "api"), granted.started("ingest", "ingest", "http", ingest_port=0)
    for role in (former, bronze, gates, api, ingest):
        await role.ready()
    await events_come(sluice, granted, ingest)
    await schemas_are_decided(sluice, former, bronze, api)
    views = granted.started("views", "worker", "views")
    await all_is_read(sluice, views, bronze)
    assert "kpi_gmv answers" in await granted.does("rebuild", "views", "rebuild", "kpi_gmv")
    await quarantine_is_looked_after(granted)
    assert "all is there to be looked at" in (await granted.run("doctor", "doctor")).stdout
    assert (await api.get("/v1/alarms")).json()["rows"], "a payout without a charge"
    await bad_records_are_seen(api, 6)
    await a_gate_is_overridden(granted, api)
    await an_alarm_is_taken_on(api)
    await a_view_is_proved(sluice, granted, api)
    await records_are_lost(sluice, views, bronze)
    await people_are_told(sluice, granted)
    for role in (gates, api, ingest, bronze, views):
        assert await role.terminate() == 0, role.tail()

    made = decisions(secured.log_file.read_text(), {entry.principal for entry in rights})
    assert not [line for line in made.denied if prefix in line]
    unused = {f"{entry.principal}: {entry}" for entry in rights - made.used}
    assert not unused, "what is printed and never used is more than is needed"


async def events_come(sluice: Sluice, granted: Granted, ingest: Role) -> None:
    """Good and bad ones, of a file, made up, and by HTTP."""
    now_ms = int(time.time() * 1000)
    payout = event("payout.paid", PAYOUT, now_ms, event_id="payout")
    lines = [padded(400, now_ms, event_id="a"), b'{"bad": 1}', json.dumps(payout).encode()]
    (sluice.folder / "events.ndjson").write_bytes(b"\n".join(lines))
    await granted.does("replay", "replay", "--force", "events.ndjson")
    await granted.does("replay", "simulate", "--count", "20")
    async with httpx.AsyncClient() as client:
        body, kind = padded(400, now_ms, event_id="b"), {"content-type": "application/json"}
        answer = await client.post(await ingest.url("/v1/events"), content=body, headers=kind)
    assert answer.json()["accepted"] == 1, answer.text


async def schemas_are_decided(sluice: Sluice, views: Role, bronze: Role, api: Role) -> None:
    """Of one id by a views worker alone, of another by Bronze alone."""
    bootstrap = sluice.settings.kafka[0]
    assert await bronze.terminate() == 0
    await produce(bootstrap, sluice.raw_topic, [Raw(b"\0\0\0\0\1x")])
    await views.says("schema 1 is given up")

    async def behind() -> bool:
        rows: list[dict[str, object]] = (await api.get("/v1/pipeline")).json()["rows"]
        return any(row["bronze_oldest_seconds"] is not None for row in rows)

    await wait_until(behind, "the api to see how old the record is that Bronze has not read")
    assert await views.terminate() == 0
    bronze.start()
    await produce(bootstrap, sluice.raw_topic, [Raw(b"\0\0\0\0\2x")])
    await bronze.says("schema 2 is given up")


async def all_is_read(sluice: Sluice, views: Role, bronze: Role) -> None:
    async with FeedWatcher(sluice.settings) as feed:
        await feed.caught_up()
    await until_covered(sluice, sluice.store, views, bronze)
    await views.ready()


async def quarantine_is_looked_after(granted: Granted) -> None:
    listed_as = await granted.does("quarantine", "quarantine", "list", "--json")
    assert len(json.loads(listed_as)["records"]) == 3
    assert "would pass now" in await granted.does("quarantine", "quarantine", "replay", "--all", "--dry-run")
    assert "sent again: 3" in await granted.does("quarantine", "quarantine", "replay", "--all")
    assert "replayed" in await granted.does("quarantine", "quarantine", "list")


async def bad_records_are_seen(api: Role, count: int) -> None:
    """Those that were sent again are bad again, once a worker has read them."""

    async def seen() -> bool:
        bad = (await api.get("/v1/quarantine")).json()
        return (bad["read"], bad["unknown_because"]) == (count, None)

    await wait_until(seen, "the api to see all bad records")


async def a_view_is_proved(sluice: Sluice, granted: Granted, api: Role) -> None:
    """One that has been rebuilt, by an audit that clears what one before it has raised."""
    raised = audit_alarm(
        AUDITED, "by another one", raised=True, code="QUALITY_CHECK_FAILED", severity="warn",
        at_us=time.time_ns() // 1000,
    )  # fmt: skip
    await send_alarm(sluice.settings, raised)
    url = (await api.url("")).rstrip("/")
    audit = granted.started("audit", "worker", "audit", audit_views=AUDITED, api_url=url)

    async def cleared() -> bool:
        alarms = await read_all(sluice.settings.kafka[0], sluice.settings.topic("ops.alarms"))
        found = [json.loads(alarm.value or b"{}") for alarm in alarms]
        return "cleared" in [one["state"] for one in found if one["alarm_id"] == raised.alarm_id]

    await wait_until(cleared, "the audit to prove the view")
    assert await audit.terminate() == 0


async def an_alarm_is_taken_on(api: Role) -> None:
    row = (await api.get("/v1/alarms")).json()["rows"][0]
    async with httpx.AsyncClient() as client:
        url = await api.url(f"/v1/alarms/{row['alarm_id']}/ack")
        answer = await client.post(url, json={"reason": "a test"})
    assert answer.status_code == 200, answer.text

    async def shown() -> bool:
        rows = (await api.get("/v1/alarms")).json()["rows"]
        return any(one["acknowledged_reason"] == "a test" for one in rows)

    await wait_until(shown, "the alarm to be taken on")


async def a_gate_is_overridden(granted: Granted, api: Role) -> None:
    (row,) = (await api.get("/v1/gates/recon")).json()["rows"]
    body = {"key": row["key"], "decision": "closed", "reason": "a test", "seconds": 3600}
    async with httpx.AsyncClient() as client:
        answer = await client.post(await api.url("/v1/gates/recon/override"), json=body)
    assert answer.status_code == 200, answer.text

    async def decided() -> bool:
        (shown,) = (await api.get("/v1/gates/recon")).json()["rows"]
        return bool(shown["override"] == "closed")

    await wait_until(decided, "the gate to be closed")


async def records_are_lost(sluice: Sluice, views: Role, bronze: Role) -> None:
    """Both workers raise an alarm about it."""
    for role in (views, bronze):
        assert await role.terminate() == 0
    bootstrap, raw, now_ms = sluice.settings.kafka[0], sluice.raw_topic, int(time.time() * 1000)
    lost = [Raw(padded(400, now_ms, event_id=name)) for name in ("c", "d")]
    newest = (await produce(bootstrap, raw, lost))[-1]
    await delete_records(bootstrap, raw, newest)
    for role in (views, bronze):
        role.start()

    async def told() -> bool:
        alarms = await read_all(bootstrap, sluice.settings.topic("ops.alarms"))
        found = [json.loads(alarm.value or b"{}") for alarm in alarms]
        return [one["code"] for one in found].count("PIPELINE_LAG_EXCEEDED") == 2

    await wait_until(told, "the alarms of both workers")
    for role in (views, bronze):
        await role.ready()


async def people_are_told(sluice: Sluice, granted: Granted) -> None:
    with Receiver() as receiver:
        file = sluice.folder / "notify.toml"
        file.write_text(f'[[target]]\nname = "ops"\nkind = "slack"\nurl = "{receiver.url("/ops")}"\n')
        notify = granted.started("notify", "worker", "notify", notify_file=file)
        await wait_until(lambda: receiver.taken("/ops"), "an open alarm to be told")
        assert await notify.terminate() == 0


async def test_restoring_uses_every_right(
    secured: SecuredKafka, sluice: Sluice, granted: Granted, prefix: str, tmp_path: Path
) -> None:
    await granted.grant("admin")
    rights = await granted.grant("restore")
    await granted.does("admin", "topics", "create")
    former = ",".join(f"file://{one}" for one in write_two(tmp_path, sluice.raw_topic))
    await granted.does("restore", "restore", bronze_former=former)
    made = decisions(secured.log_file.read_text(), {entry.principal for entry in rights})
    assert not [line for line in made.denied if prefix in line]
    unused = {f"{entry.principal}: {entry}" for entry in rights - made.used}
    assert not unused, "what is printed and never used is more than is needed"


async def test_an_api_writes_what_people_decide_and_no_other_topic(
    secured: SecuredKafka, sluice: Sluice, granted: Granted
) -> None:
    await granted.grant("admin", "api")
    await granted.does("admin", "topics", "create")
    kwargs = client_kwargs(Settings.load(environ_of(granted.settings("api"))))
    for topic in plan(sluice.settings):
        if topic.name in map(sluice.settings.topic, ("ops.overrides", "ops.acks")):
            continue
        producer = await started(AIOKafkaProducer(**kwargs))
        try:
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(topic.name, b"x")
        finally:
            await producer.stop()
