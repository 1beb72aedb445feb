"""`sluice quarantine` on a real Kafka: bad records listed, shown and sent again."""

from __future__ import annotations

import json

import pytest

from streams.embedded.broker import EmbeddedKafka
from tests.support.kafka import Raw, produce, read_all
from tests.support.quarantine import Shop, bad

BAD = b'{"secret":"alice@example.com"'


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def shop(kafka: EmbeddedKafka, prefix: str) -> Shop:
    shop = Shop(kafka, prefix)
    records = [
        bad(shop, "payload_field", BAD, "2026-01-01T00:00:02Z", partition=0),
        bad(shop, "unknown_event", b"\xff\x00", "2026-01-01T00:00:01Z", partition=1, key=None),
        traced(bad(shop, "empty", None, "2026-01-01T00:00:03Z", partition=1)),
    ]
    await shop.fill(records, partitions=2)
    return shop


def traced(record: Raw) -> Raw:
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    return record._replace(headers=(*record.headers, ("src.traceparent", parent.encode())))


async def test_the_newest_are_listed_oldest_first_without_their_content(shop: Shop) -> None:
    listed = shop.listed()
    assert [record["id"] for record in listed["records"]] == ["1:0", "0:0", "1:1"]
    assert listed["records"][1] == {
        "id": "0:0", "code": "EVENT_SCHEMA_INVALID", "reason": "payload_field", "field": "amount_minor",
        "detail": "is not an integer", "topic": shop.raw, "partition": 0, "offset": 7,
        "quarantined_at": "2026-01-01T00:00:02Z", "value_bytes": len(BAD),
        "state": "open", "replayed_at": None, "replayed_by": None,
    }  # fmt: skip
    assert [record["value_bytes"] for record in listed["records"]] == [2, len(BAD), None]
    assert [record.get("trace_id") for record in listed["records"]] == [None, None, TRACE]
    table = shop.run("list").stdout.decode()
    assert "payload_field" in table
    assert "3 of 3 shown" in table
    assert "alice" not in table


async def test_filters_and_limit_narrow_the_list(shop: Shop) -> None:
    assert [record["id"] for record in shop.listed("--reason", "empty")["records"]] == ["1:1"]
    assert shop.listed("--code", "EVENT_ENVELOPE_INVALID") == {"total": 0, "records": []}
    limited = shop.listed("--limit", "1")
    assert (limited["total"], [record["id"] for record in limited["records"]]) == (3, ["1:1"])


async def test_lists_times_and_fields_narrow_it_too(shop: Shop) -> None:
    def ids(*arguments: str) -> list[str]:
        return [record["id"] for record in shop.listed(*arguments)["records"]]

    assert ids("--reason", "empty, unknown_event") == ["1:0", "1:1"]
    assert ids("--field", "amount_minor,currency", "--from", "2026-01-01T00:00:02Z") == ["0:0", "1:1"]
    assert ids("--from", "1767225602000", "--to", "1767225603000") == ["0:0"], "in milliseconds"
    assert ids("--from", "2026-01-01", "--to", "2026-01-01T00:00:02Z") == ["1:0"]
    done = shop.run("list", "--json", "--from", "1767225602")
    assert b"--from=1767225602 is 1970-01-21T10:53:45Z" in done.stderr
    assert json.loads(done.stdout)["total"] == 3


async def test_a_field_or_topic_that_no_record_has_is_told(shop: Shop) -> None:
    done = shop.run("list", "--json", "--field", "payload.amount_minor", "--topic", shop.raw[:-1])
    assert done.returncode == 0
    warnings = [
        "no such field: payload.amount_minor; did you mean amount_minor?",
        f"no such topic: {shop.raw[:-1]}; did you mean {shop.raw}?",
    ]
    assert done.stderr.decode().splitlines() == [f"sluice: {warning}" for warning in warnings]
    assert json.loads(done.stdout)["warnings"] == warnings
    assert "warnings" not in shop.listed("--field", "amount_minor", "--reason", "not_json"), "it may come"
    assert b"no such topic: nowhere" in shop.run("replay", "--topic", "nowhere").stderr


async def test_text_of_records_is_neither_markup_nor_a_command_to_the_terminal(shop: Shop) -> None:
    detail = "must match pattern '^[a-z0-9_-]+$' [red]x[/] \x1b[31m\r\n\u202e"
    odd = bad(shop, "payload_field", b"\x1b]0;x\x07", "2026-01-01T00:00:04Z", partition=0)
    headers = tuple((name, detail.encode() if name == "detail" else value) for name, value in odd.headers)
    await produce(shop.kafka.bootstrap, shop.quarantine, [odd._replace(headers=headers)])
    shown = "must match pattern '^[a-z0-9_-]+$' [red]x[/] \\x1b[31m\\r\\n\\u202e"
    for arguments in (("list",), ("show", "0:1"), ("list", "--json")):
        said = shop.run(*arguments).stdout.decode()
        assert said.replace("\n", "").isprintable()
        if "--json" not in arguments:
            assert shown in said
        else:
            assert json.loads(said)["records"][-1]["detail"] == detail


async def test_content_is_shown_only_when_asked_for(shop: Shop) -> None:
    shown = shop.run("show", "0:0")
    assert (b"payload_field" in shown.stdout, b"alice" in shown.stdout) == (True, False)
    assert shop.run("show", "0:0", "--value").stdout == BAD
    assert shop.run("show", "1:0", "--value").stdout == b"\xff\x00"
    assert json.loads(shop.run("show", "1:0", "--value", "--json").stdout)["value_base64"] == "/wA="
    for nowhere in ("0:1", "5:0"):
        done = shop.run("show", nowhere)
        assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
        assert f"no record {nowhere}".encode() in done.stderr
    assert shop.run("show", "one").returncode == 2


async def test_chosen_records_go_again_to_their_source_byte_for_byte(shop: Shop) -> None:
    assert shop.run("replay").returncode == 2
    assert shop.run("replay", "0:0", "--all").returncode == 2
    done = shop.run("replay", "--json", "0:0", "1:1")
    assert json.loads(done.stdout) == {
        "sent": 2, "topics": {shop.raw: 2}, "replayed_before": 0, "passed_over": 0,
    }  # fmt: skip
    assert shop.run("replay", "--reason", "unknown_event").stdout == f"sent again: 1 to {shop.raw}\n".encode()
    records = await read_all(shop.kafka.bootstrap, shop.raw)
    assert [(record.partition, record.key, record.value) for record in records] == [
        (0, b"k", BAD),
        (1, b"k", None),
        (1, None, b"\xff\x00"),
    ]
    assert shop.listed()["total"] == 3
