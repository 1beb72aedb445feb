"""A live number is explained by its events, proved, and found to be wrong where it is: all roles as
processes, on a real Kafka, over Bronze."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agents.bronze.gzip import crc32c
from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tables.gates.alarms import Alarm, decode_alarm
from tests.oracle.load import Load, Mix
from tests.support.feed import FeedWatcher, api_has_read, feed_reader
from tests.support.kafka import read_all, wait_until
from tests.support.processes import Sluice
from tests.support.sending import produce_all

EVENTS = 4_000
HOURS = EVENTS * 2.5 / 3600
VIEW = "ops_recon_variance"
WINDOW = "24h"
EXPLAINED = {"kpi_gmv": "gmv_minor", "ops_quarantine": "quarantined", "exp_metric_cuped": "users"}
"""View → a measure that its events add up to."""

SUMS = {
    "charge.succeeded": "charges_minor", "payout.paid": "payouts_minor", "refund.succeeded": "refunds_minor",
    "fee.assessed": "fees_minor",
}  # fmt: skip
"""Event → the measure of `VIEW` that it adds to."""

pytestmark = pytest.mark.timeout(240)  # every role is started, some twice


class Asked(NamedTuple):
    """What a command has answered in JSON, what it said besides, and its exit code."""

    code: int
    answer: Any
    said: str


async def test_a_number_is_explained_proved_and_found_to_be_wrong(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """The limits are so short that all of the rules matter to some hours of records: repeated, late and
    spoilt ones among them."""
    load = Load(7, int((time.time() - HOURS * 3600) * 1000), Mix(partitions=2, milliseconds=2500))
    with Sluice(
        tmp_path, kafka.bootstrap, prefix, partitions=2, pane_minutes=60, pane_hours=2, dedupe_seconds=900,
        closed_hours=1,
    ) as sluice:  # fmt: skip
        await topics.create(sluice.settings)
        sluice.worker()
        api = sluice.api()
        async with FeedWatcher(sluice.settings) as feed:
            await produce_all(kafka.bootstrap, sluice.raw_topic, load.take(EVENTS))
            await feed.caught_up(seconds=60)
        await api_has_read(api, await feed_reader(sluice.settings))
        url = (await api.url("")).rstrip("/")
        await some_in_bronze(sluice)
        hold_explained(sluice, url)
        sluice.bronze("rest")
        hold_proved(sluice, url)
        await hold_audited(sluice, url)


async def some_in_bronze(sluice: Sluice) -> None:
    """A Bronze that ends somewhere in the middle."""
    bronze = sluice.bronze("some", bronze_max_seconds=3600, bronze_max_bytes=100_000)
    commits = sluice.folder / "store/_commits"
    await wait_until(lambda: len(list(commits.glob("*/*/*.json"))) >= 4, "some ranges")
    bronze.kill()


def hold_explained(sluice: Sluice, url: str) -> None:
    """The events of Bronze and of Kafka add up to the rows."""
    for view, measure in EXPLAINED.items():
        found = run(sluice, url, "explain", view, "--window", WINDOW).answer
        assert (view, found["adds_up"], found["differences"]) == (view, True, [])
        assert sum(row[measure] for row in found["events"]) == sum(row[measure] for row in found["rows"]) > 0
        assert min(found["sources"]["bronze"], found["sources"]["kafka"]) > 0
        read = sum(one["kafka_records"] + one["bronze_offset"] for one in found["partitions"])
        assert read == EVENTS
        if view == "ops_quarantine":
            assert {one["why"] for one in found["left_out"]} >= {"duplicate", "late"}
    one = run(
        sluice, url, "explain", "kpi_gmv", "--city", "berlin", "--currency=EUR", "--window", WINDOW
    ).answer
    (row,) = one["rows"]
    assert (row["city"], row["currency"]) == ("berlin", "EUR")
    assert {event["city"] for event in one["newest"]} == {"berlin"}
    for measure in ("bookings", "gmv_minor", "platform_fees_minor"):
        assert sum(event[measure] for event in one["events"]) == row[measure]


def hold_proved(sluice: Sluice, url: str) -> None:
    """Every view is equal, once Bronze has all records."""
    proved = run(sluice, url, "verify", "all", "--window", WINDOW)
    assert proved.code == 0, proved
    assert {one["state"] for one in proved.answer} == {"equal"}
    assert all(one["rows"] for one in proved.answer)
    assert sum(one["checkpoint_offset"] for one in proved.answer[0]["partitions"]) == EVENTS


async def hold_audited(sluice: Sluice, url: str) -> None:
    """An amount that is changed in Bronze is found; the audit's alarm lasts until it is mended."""
    store = sluice.folder / "store"
    counted = run(sluice, url, "explain", VIEW, "--window", WINDOW).answer["newest"][0]
    measure = SUMS[counted["event"]]
    chosen, original = object_of(store, counted)
    put(store, chosen, b"".join(raised(line, counted) for line in original.splitlines(keepends=True)))
    found = run(sluice, url, "verify", VIEW, "--window", WINDOW)
    assert (found.code, "QUALITY_CHECK_FAILED" in found.said) == (1, True)
    (amount,) = [one for one in found.answer["differences"] if one["measure"] == measure]
    assert amount["row"] == {name: counted[name] for name in ("city", "currency")}
    assert amount["computed"] == amount["live"] + 1

    settings = {"api_url": url, "audit_seconds": 1, "audit_views": VIEW, "audit_window": WINDOW}
    audit = sluice.started("audit", "worker", "audit", **settings)
    await wait_until(lambda: alarms(sluice), "the alarm")
    audit.kill()
    (alarm,) = await alarms(sluice)
    assert (alarm.alarm_id, alarm.code, alarm.state) == (f"audit/{VIEW}", "QUALITY_CHECK_FAILED", "raised")
    assert measure in alarm.detail
    put(store, chosen, original)
    audit.start()  # which learns from ops.alarms that it is raised
    await wait_until(lambda: cleared(sluice), "the alarm to be cleared")
    assert [one.state for one in await alarms(sluice)] == ["raised", "cleared"]
    metrics = (await audit.get("/metrics")).text
    assert f'sluice_audit_differences{{view="{VIEW}"}} 0.0' in metrics
    assert f'sluice_audit_success_timestamp_seconds{{view="{VIEW}"}}' in metrics
    assert await audit.terminate() == 0


def run(sluice: Sluice, url: str, *arguments: str) -> Asked:
    found = sluice.run(*arguments, "--api", url, "--json")
    assert found.stdout, found.stderr
    return Asked(found.returncode, json.loads(found.stdout), found.stderr)


def object_of(store: Path, event: dict[str, Any]) -> tuple[Path, bytes]:
    """The object of Bronze that has an event, and its lines."""
    for path in store.glob(f"event={event['event']}/*/{event['topic']}+{event['partition']}+*.gz"):
        first, last = map(int, path.name.split("+")[-1].removesuffix(".ndjson.gz").split("-"))
        lines = gzip.decompress(path.read_bytes())
        if first <= event["offset"] <= last and f'"offset":{event["offset"]},'.encode() in lines:
            return path, lines
    raise AssertionError(f"{event} is not in Bronze")


def raised(line: bytes, event: dict[str, Any]) -> bytes:
    """The line, with an amount that is one more if it is that event's."""
    row = json.loads(line)
    row["payload"]["amount_minor"] += row["_kafka"]["offset"] == event["offset"]
    return json.dumps(row).encode() + b"\n"


def put(store: Path, chosen: Path, lines: bytes) -> None:
    """Write an object, and what it is known by into its commit."""
    data = gzip.compress(lines)
    chosen.write_bytes(data)
    path = str(chosen.relative_to(store))
    for commit in (store / "_commits").rglob("*.json"):
        found = json.loads(commit.read_bytes())
        for entry in found["objects"]:
            if entry["path"] == path:
                entry.update(bytes=len(data), crc32c=crc32c(data))
                commit.write_text(json.dumps(found))


async def alarms(sluice: Sluice) -> list[Alarm]:
    """The audit's, in their order."""
    read = await read_all(sluice.settings.kafka[0], sluice.settings.topic("ops.alarms"))
    found = [alarm for record in read if (alarm := decode_alarm(record.value)) is not None]
    return [alarm for alarm in found if alarm.alarm_id.startswith("audit/")]


async def cleared(sluice: Sluice) -> bool:
    return any(alarm.state == "cleared" for alarm in await alarms(sluice))
