"""Workers on records in a registry's wire format: exact, whatever the registry does."""

from __future__ import annotations

import io
import json
import random
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fastavro
import pytest

from schemas.avro_schema import avro_schema
from schemas.catalogue import EVENTS
from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.bronze_equality import hold_quarantine, hold_views
from tests.support.bronze_rows import Bronze
from tests.support.bronze_topic import until_covered
from tests.support.fake_registry import FakeRegistry
from tests.support.feed import FeedWatcher
from tests.support.kafka import Raw, read_all, wait_until
from tests.support.processes import Role, Sluice
from tests.support.registry import Registry
from tests.support.repeats import repeats
from tests.support.sending import produce_all
from tests.support.wire import body_of, encoded, framed

RECORDS = 24_000
NOBODYS = 2**31 - 7
"""An id that the registry has not given."""
NOW = "2026-03-01T12:00:00Z"

pytestmark = pytest.mark.timeout(360)


def in_avro(records: Iterator[Raw], ids: dict[str, int], draw: random.Random) -> Iterator[Raw]:
    """The same records, most of those that Avro can say in Avro."""
    for record in records:
        try:
            event = json.loads(record.value or b"")
            body = body_of(avro_schema(EVENTS[event["event"]]), event)
        except Exception:  # noqa: BLE001 - a bad record: fastavro says so in many ways
            framed_before = len(record.value or b"") >= 5 and (record.value or b"")[0] == 0
            yield record._replace(value=framed(NOBODYS, b"abc")) if framed_before else record
            continue
        yield record if draw.random() < 0.2 else record._replace(value=framed(ids[event["event"]], body))


async def test_views_equal_sql_over_bronze_with_the_registry_gone(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """Half with the registry; then it is gone, and all processes are killed: what was seen is still read."""
    load = Load(31, int(time.time() * 1000) - 24 * 3_600_000, Mix(milliseconds=2500, bad=0.06))
    draw = random.Random(31)
    with (
        Registry(tmp_path) as registry,
        Sluice(
            tmp_path, kafka.bootstrap, prefix, partitions=4, pane_minutes=120, pane_hours=5,
            dedupe_seconds=900, bronze_max_seconds=3, bronze_max_bytes=500_000,
            schema_registry_url=registry.url, registry_wait_seconds=3,
        ) as sluice,
    ):  # fmt: skip
        ids = {name: registry.register(f"{prefix}{name}", avro_schema(spec)) for name, spec in EVENTS.items()}
        await topics.create(sluice.settings)
        views, api, bronze = sluice.worker(), sluice.api(), sluice.bronze()
        async with FeedWatcher(sluice.settings) as feed:
            for gone in (False, True):
                if gone:
                    registry.stop()
                    views.kill()
                    bronze.kill()
                half = list(in_avro(iter(load.take(RECORDS // 2)), ids, draw))
                assert sum((record.value or b"x")[0] == 0 for record in half) > RECORDS // 4
                await produce_all(kafka.bootstrap, sluice.raw_topic, half)
                if gone:
                    views.start()
                    bronze.start()
                await feed.caught_up(seconds=120)
                await until_covered(sluice, sluice.store, views, bronze, seconds=120)
        laid_down = Bronze(tmp_path / "store")
        assert sum(map(len, laid_down.records.values())) == RECORDS
        await hold_quarantine(sluice, laid_down)
        for records in laid_down.records.values():
            records[:] = [record._replace(value=decoded(record.value, ids)) for record in records]
        await hold_views(sluice, api, laid_down)


def decoded(value: bytes | None, ids: dict[str, int]) -> bytes | None:
    """A record that stayed bad as the JSON that its schema, and fastavro alone, make of it."""
    if value is None or len(value) < 5 or value[0]:
        return value
    event = {number: name for name, number in ids.items()}.get(int.from_bytes(value[1:5], "big"))
    if event is None:
        return value
    schema = fastavro.parse_schema(avro_schema(EVENTS[event]), {})
    return json.dumps(fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)).encode()


def impression(number: int) -> dict[str, object]:
    payload = {"session_id": "s", "listing_id": "l", "position": 1, "user_id": None}
    return {
        "event_id": f"i-{number}", "event": "search.impression", "version": 1, "occurred_at": NOW,
        "source": "test", "city": "rome", "trace_id": None, "payload": payload,
    }  # fmt: skip


SCHEMA = avro_schema(EVENTS["search.impression"])


def records_of(schema_id: int, numbers: range, partition: int = 0) -> list[Raw]:
    values = [encoded(schema_id, SCHEMA, impression(number)) for number in numbers]
    return [Raw(value, b"k", None, partition) for value in values]


def of(schema: object) -> tuple[int, bytes]:
    return 200, json.dumps({"schema": json.dumps(schema)}).encode()


NOT_FOUND = 404, b'{"error_code":40403,"message":"Schema not found"}'


@pytest.mark.parametrize("why", repeats("absent", "failing", "slow"))
async def test_what_the_registry_cannot_say_is_quarantined_and_replayed(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, why: str
) -> None:
    """The other partition goes on meanwhile; views and Bronze agree; a replay mends it once it is there."""
    there = False
    given_up = threading.Event()

    def answer(path: str) -> tuple[int, bytes]:
        if path.endswith("/1") or there:
            return of(SCHEMA)
        if why == "slow":
            given_up.wait(60)  # as long as anybody asks
        return NOT_FOUND if why == "absent" else (500, b'{"message":"out of order"}')

    with (
        FakeRegistry(answer) as registry,
        Sluice(
            tmp_path, kafka.bootstrap, prefix, partitions=2, bronze_max_seconds=2,
            schema_registry_url=registry.url, registry_wait_seconds=6,
        ) as sluice,
    ):  # fmt: skip
        await topics.create(sluice.settings)
        raw = sluice.raw_topic
        views, bronze, api = sluice.worker(), sluice.bronze(), sluice.api()
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(kafka.bootstrap, raw, records_of(1, range(10)))
            await feed.caught_up()
            waiting = [*records_of(2, range(10, 15)), *records_of(1, range(15, 20))]
            await produce_all(kafka.bootstrap, raw, waiting)
            if why != "absent":
                await views.says("records wait for their schemas: the schema registry at")
            await produce_all(kafka.bootstrap, raw, records_of(1, range(20, 40), partition=1))
            await wait_until(lambda: feed.next.get((raw, 1)) == 20, "the other partition")
            if why != "absent":
                assert feed.next.get((raw, 0)) == 10, "it waits for the registry"
                assert await waiting_partitions(views) == 1
                ready = await views.get("/readyz")
                assert (ready.status_code, ready.text) == (200, f"ready; held back: {raw}-0 for schema 2\n")
            await feed.caught_up(seconds=60)
            await views.says("schema 2 is given up")
            assert await reasons(sluice) == ["unknown_schema_id"] * 5
            assert await waiting_partitions(views) == 0
            assert (await views.get("/readyz")).text == "ready\n"
            if why == "absent":
                assert would_pass(sluice) == 0
            there = True
            given_up.set()
            assert would_pass(sluice) == 5, "what the registry says now is foreseen"
            sent = sluice.run("quarantine", "replay", "--reason", "unknown_schema_id")
            assert sent.returncode == 0, sent.stderr
            assert "sent again: 5" in sent.stdout
            await feed.caught_up(seconds=120)
            await until_covered(sluice, sluice.store, views, bronze, seconds=60)
        await api.ready()
        await wait_until(lambda: shown(api, 40), "40 impressions")
        laid_down = Bronze(tmp_path / "store")
        assert len(laid_down.bad) == len(await reasons(sluice)) >= 5
        values = [record.value or b"" for records in laid_down.records.values() for record in records]
        seen = [json.loads(value)["event_id"] for value in values if value[:1] == b"{"]
        assert sorted(seen) == sorted(f"i-{number}" for number in range(40))


def would_pass(sluice: Sluice) -> int:
    done = sluice.run("quarantine", "replay", "--reason", "unknown_schema_id", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    passing: int = json.loads(done.stdout)["would_pass"]
    return passing


async def waiting_partitions(worker: Role) -> float:
    text = (await worker.get("/metrics")).text
    found = re.search(
        r'^sluice_waiting_partitions\{reason="schemas",role="views"\} (\S+)$', text, re.MULTILINE
    )
    assert found, text
    return float(found[1])


async def reasons(sluice: Sluice) -> list[str]:
    read = await read_all(sluice.settings.kafka[0], sluice.settings.topic("events.quarantine"))
    return [dict(record.headers)["reason"].decode() for record in read]  # type: ignore[union-attr]


async def shown(api: Role, count: int) -> bool:
    window = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}
    rows = (await api.get("/v1/views/kpi_funnel", **window)).json()["rows"]
    return bool(sum(row["impressions"] for row in rows) == count)
