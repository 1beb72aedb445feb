"""`sluice quarantine summary|list|replay|dismiss` on a real Kafka: whose records, repaired, or put aside."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.sources.quarantine_replay import MOST_RECORDS, operator
from tests.oracle.bad import at
from tests.support.events import event
from tests.support.kafka import Raw, read_all
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.quarantine import Shop, bad

AT = "2026-01-01T00:00:02Z"
CHARGE = {"charge_id": "chg-1", "booking_id": "bkg-1", "amount_minor": 100, "currency": "eur"}
NOW_MS = int(time.time() * 1000)


def charge(number: int, source: str = "billing", **payload: Any) -> bytes:
    return event("charge.succeeded", number, CHARGE | payload, source=source, occurred_at=at(NOW_MS))


@pytest.fixture
async def shop(kafka: EmbeddedKafka, prefix: str) -> Shop:
    shop = Shop(kafka, prefix)
    records = [
        bad(shop, "payload_field", charge(1), AT, partition=0, key=b"bkg-1"),
        bad(shop, "payload_field", charge(2), "2026-01-01T01:00:00Z", partition=0, key=b"bkg-2"),
        bad(shop, "payload_field", charge(3, "web", amount_minor="7"), AT, partition=0),
        bad(shop, "not_json", b'{"secret":"alice@example.com', AT, partition=1),
        bad(shop, "avro_undecodable", b"\x00\x00\x00\x00\x01x", AT, partition=1),
    ]
    await shop.fill(records, partitions=2)
    return shop


def asked(shop: Shop, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = shop.run(*arguments, "--json")
    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def raw_of(shop: Shop) -> list[Any]:
    return await read_all(shop.kafka.bootstrap, shop.raw)


async def audit_of(shop: Shop) -> list[dict[str, Any]]:
    return [json.loads(read.value or b"") for read in await read_all(shop.kafka.bootstrap, shop.audit)]


async def test_the_summary_says_whose_they_are_since_when_and_how_many(shop: Shop) -> None:
    answer = asked(shop, "summary", "--by", "source,event,reason")
    assert (answer["records"], answer["open"]) == (5, 5)
    groups = {(one["source"], one["event"], one["reason"]): one for one in answer["groups"]}
    assert groups.keys() == {
        ("billing", "charge.succeeded", "payload_field"), ("web", "charge.succeeded", "payload_field"),
        ("_unknown", "_unknown", "not_json"), ("_unknown", "_unknown", "avro_undecodable"),
    }  # fmt: skip
    billing = groups["billing", "charge.succeeded", "payload_field"]
    assert (billing["records"], billing["first"], billing["last"]) == (2, AT, "2026-01-01T01:00:00Z")
    assert billing["id"] == "0:1"
    assert billing["sample"]["payload"]["currency"] == "###"
    assert billing["sample"]["payload"]["amount_minor"] == "<int>"
    web = groups["web", "charge.succeeded", "payload_field"]
    assert web["sample"]["payload"]["amount_minor"] == "#"
    by_hour = asked(shop, "summary", "--by", "hour", "--source", "billing")["groups"]
    assert [(one["hour"], one["records"]) for one in by_hour] == [("2026-01-01T00", 1), ("2026-01-01T01", 1)]
    shown = shop.run("summary").stdout.decode()
    assert "5 records in 4 groups, 5 open" in shown
    for text in (shown, json.dumps(answer)):
        assert not any(secret in text for secret in ("chg-1", "bkg-1", "alice", "eur", "e1"))


async def test_filters_by_producer_event_state_and_place(shop: Shop) -> None:
    def ids(*arguments: str) -> list[str]:
        return sorted(record["id"] for record in shop.listed(*arguments)["records"])

    assert ids("--source", "billing") == ["0:0", "0:1"]
    assert ids("--event", "charge.succeeded", "--source", "web,_unknown") == ["0:2"]
    assert ids("--event", "_unknown") == ["1:0", "1:1"]
    assert ids("1:1", "0:2") == ["0:2", "1:1"]
    shop.run("replay", "0:0")
    assert ids("--state", "replayed") == ["0:0"]
    assert asked(shop, "summary", "--state", "open", "--source", "billing")["records"] == 1
    wrong = shop.run("list", "--event", "charge.succeded")
    assert wrong.returncode == 2
    assert b"did you mean charge.succeeded?" in wrong.stderr
    assert b"no such source: bilingg" in shop.run("list", "--source", "bilingg").stderr


async def test_a_repair_sets_members_keeps_the_rest_and_the_audit_says_which(shop: Shop) -> None:
    rehearsed = asked(
        shop, "replay", "--reason", "payload_field", "--set", "payload.currency=EUR", "--dry-run"
    )
    assert (rehearsed["would_send"], rehearsed["would_pass"]) == (3, 2)
    assert rehearsed["would_fail"] == [{"reason": "payload_field", "field": "amount_minor", "records": 1}]
    assert await raw_of(shop) == []
    answer = asked(
        shop, "replay", "--source", "billing", "--set", "payload.currency=EUR", "--set", "city=ulm"
    )
    assert answer["sent"] == 2
    first, second = await raw_of(shop)
    assert (first.key, first.partition, second.key) == (b"bkg-1", 0, b"bkg-2")
    wanted = json.loads(charge(1, currency="EUR")) | {"city": "ulm"}
    assert list(json.loads(first.value).items()) == list(wanted.items()), "in its order too"
    record, _ = await audit_of(shop)
    assert record["changed"] == ["city", "payload.currency"]
    assert (record["event_id"], record["offset"], record["by"]) == ("e1", 0, operator())
    assert "EUR" not in json.dumps(record)
    assert "changed" not in (await audited(shop, "0:2"))[-1], "sent as it was"


async def audited(shop: Shop, *ids: str) -> list[dict[str, Any]]:
    assert shop.run("replay", *ids).returncode == 0
    return await audit_of(shop)


async def test_what_cannot_be_set_is_counted_named_and_left_open(shop: Shop) -> None:
    done = shop.run("replay", "--all", "--set", "payload.currency=EUR", "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    why = "it is no JSON object, in which nothing can be set: --edit it"
    assert answer["not_repaired"] == [{"why": why, "records": 2, "first": "1:0"}]
    assert answer["sent"] == 3
    assert f"2 not sent again, as they could not be repaired, the first is 1:0: {why}" in done.stderr.decode()
    assert len(shop.listed("--state", "open")["records"]) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("event_id=e9", "event_id stays"),
        ("currency=EUR", "currency is no member of an event"),
        ("payload.currency", "has to be PATH=VALUE"),
        ("source.name=x", "source.name is no member of an event"),
    ],
)
async def test_what_may_not_be_set_is_wrong_usage(shop: Shop, text: str, why: str) -> None:
    done = shop.run("replay", "--all", "--set", text)
    assert (done.returncode, why in done.stderr.decode()) == (2, True), done.stderr
    assert await raw_of(shop) == []


async def test_edited_records_are_sent_in_place_of_those_they_are_of(shop: Shop, tmp_path: Path) -> None:
    lines = shop.run("list", "--edit-template").stdout.decode().splitlines()
    made = {line["id"]: line for line in map(json.loads, lines)}
    assert made["0:0"]["value"] == json.loads(charge(1))
    assert (made["1:0"]["value"], made["1:0"]["reason"]) == (None, "not_json")
    edited = tmp_path / "edited.ndjson"
    good = charge(9, currency="EUR")
    edited.write_text(
        json.dumps({"id": "0:0", "value": json.loads(charge(1, currency="EUR"))})
        + "\n\n"
        + json.dumps({"id": "1:0", "value": json.loads(good)})
        + "\n"
    )
    assert asked(shop, "replay", "--edit", str(edited), "--dry-run")["would_pass"] == 2
    assert asked(shop, "replay", "--edit", str(edited))["sent"] == 2
    sent = {read.partition: read.value for read in await raw_of(shop)}
    assert json.loads(sent[0]) == json.loads(charge(1, currency="EUR"))
    assert json.loads(sent[1]) == json.loads(good)
    changed = {(one["partition"], one["offset"]): one["changed"] for one in await audit_of(shop)}
    assert changed == {(0, 0): ["payload.currency"], (1, 0): ["*"]}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"id":"0:0","value":{"event_id":"other"}}', "its event_id is another one in the edited record"),
        ('{"id":"0:0","value":null}', "line 1: value is no JSON object"),
        ('{"id":"0:0"}', "line 1 is not"),
        ("\n{secret", "line 2 is not"),
        ('{"id":"0-0","value":{}}', "line 1: id is not partition:offset"),
        ('{"id":"0:0","value":{}}\n{"id":"0:0","value":{}}', "line 2: record 0:0 is there twice"),
        ("", "has no line"),
        ('{"id":"0:99","value":{}}', "there is no record 0:99"),
    ],
)
async def test_a_file_that_cannot_be_taken_says_where_and_sends_nothing(
    shop: Shop, tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "edited.ndjson"
    file.write_text(text)
    done = shop.run("replay", "--edit", str(file))
    assert done.returncode == 1
    assert why in done.stderr.decode()
    assert b"secret" not in done.stderr
    assert await raw_of(shop) == []


async def test_dismissed_records_have_a_reason_and_are_not_sent_again(shop: Shop) -> None:
    assert shop.run("dismiss", "0:2").returncode == 2, "a reason has to be given"
    assert (
        asked(shop, "dismiss", "--source", "web", "--because", "a\n test", "--dry-run")["would_dismiss"] == 1
    )
    assert await audit_of(shop) == []
    assert asked(shop, "dismiss", "--source", "web", "--because", "a\n test") == {
        "dismissed": 1,
        "passed_over": 0,
    }
    assert asked(shop, "dismiss", "--source", "web", "--because", "again") == {
        "dismissed": 0,
        "passed_over": 1,
    }
    assert await raw_of(shop) == []
    (record,) = shop.listed("--state", "dismissed")["records"]
    assert (record["id"], record["dismissed_because"], record["dismissed_by"]) == (
        "0:2",
        "a test",
        operator(),
    )
    assert asked(shop, "summary", "--source", "web")["groups"][0]["open"] == 0
    sent = asked(shop, "replay", "--all")
    assert (sent["sent"], sent["passed_over"], sent["dismissed_before"]) == (4, 1, 1)
    assert asked(shop, "replay", "0:2", "--again")["sent"] == 1
    assert [one["action"] for one in await audit_of(shop)][-1] == "replayed"


@pytest.mark.parametrize(("moment", "sent"), [("commit", MOST_RECORDS), ("committed", 2 * MOST_RECORDS)])
async def test_a_replay_with_repairs_that_is_killed_is_gone_on_with(
    kafka: EmbeddedKafka, prefix: str, moment: str, sent: int
) -> None:
    shop = Shop(kafka, prefix)
    count = 2 * MOST_RECORDS + 100
    records: list[Raw] = [bad(shop, "payload_field", charge(n), AT, partition=0) for n in range(count)]
    await shop.fill(records)
    replay = ["quarantine", "replay", "--source", "billing", "--set", "payload.currency=EUR"]
    killed = subprocess.run(
        [sys.executable, "-m", "tests.support.dying", "SIGKILL", moment, "2", *replay],
        env=shop.environment, cwd=ROOT, timeout=60 * PATIENCE, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert len(await raw_of(shop)) == len(await audit_of(shop)) == sent
    answer = asked(shop, *replay[1:])
    assert (answer["sent"], answer["passed_over"]) == (count - sent, sent)
    values = [json.loads(read.value) for read in await raw_of(shop)]
    assert [one["event_id"] for one in values] == [f"e{n}" for n in range(count)]
    assert {one["payload"]["currency"] for one in values} == {"EUR"}
    assert [one["changed"] for one in await audit_of(shop)] == [["payload.currency"]] * count
