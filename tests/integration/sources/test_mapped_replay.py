"""`sluice replay` of foreign formats on a real Kafka: what is sent, told and answered."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.sources.mappings.examples import EXAMPLES
from streams.sources.mappings.examples.stripe import STRIPE
from streams.sources.mappings.mapping import NotForUs, Refused
from tests.support.ingest import ids_of
from tests.support.kafka import create_topics, read_all
from tests.support.processes import Sluice

GIVEN = {example.title: example.given for example in STRIPE}
ORDERS = """\
event: charge.succeeded
where: paid
event_id: {template: "order:{id}"}
occurred_at: {expr: at, time: unix}
payload:
  charge_id: id
  booking_id: id
  amount_minor: {minor: {amount: total, currency: {const: EUR}}}
  currency: {const: EUR}
"""
ORDER = {"id": 7, "paid": True, "at": 1772366400, "total": 12.5}


async def sent(sluice: Sluice) -> list[Any]:
    records = await read_all(sluice.settings.kafka[0], sluice.raw_topic)
    return [json.loads(record.value or b"") for record in records]


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_format_is_sent_as_its_examples_are(
    sluice: Sluice, kafka: EmbeddedKafka, tmp_path: Path, name: str
) -> None:
    await create_topics(kafka.bootstrap, sluice.raw_topic)
    (tmp_path / "given").write_text("\n".join(json.dumps(one.given) for one in EXAMPLES[name]))
    expected = [
        envelope
        for one in EXAMPLES[name]
        if not isinstance(one.expected, NotForUs | Refused)
        for envelope in one.expected
    ]

    done = sluice.run("replay", "--format", name, "--json", "given")

    report = json.loads(done.stdout)
    assert await sent(sluice) == expected
    refused = [one for one in EXAMPLES[name] if isinstance(one.expected, Refused)]
    assert sum(cause["count"] for cause in report["refused"]) == len(refused)
    assert done.returncode == (1 if refused else 0)
    assert report["acknowledged"] == len(expected)


async def test_a_folder_is_all_files_in_it(sluice: Sluice, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    await create_topics(kafka.bootstrap, sluice.raw_topic)
    folder = tmp_path / "webhooks"
    (folder / "more").mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps(GIVEN["a charge"], indent=2))
    (folder / "more/b.ndjson.gz").write_bytes(gzip.compress(json.dumps(GIVEN["a payout is begun"]).encode()))
    (folder / "more/c.json").write_text(json.dumps(GIVEN["a customer"]))
    (folder / "LICENSE").write_text("not an event")

    done = sluice.run("replay", "--format", "stripe", "webhooks")

    assert done.returncode == 0, done.stderr
    assert "not for us: 1 (customer.created 1)" in done.stdout
    assert [event["event_id"] for event in await sent(sluice)] == [
        "ch_1:charge.succeeded",
        "po_1:payout.initiated",
    ]
    (tmp_path / "empty").mkdir()
    empty = sluice.run("replay", "--format", "stripe", "empty")
    assert (empty.returncode, "no files of events" in empty.stderr) == (2, True)


async def test_a_mapping_file_is_checked_before_anything_is_sent(
    sluice: Sluice, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    await create_topics(kafka.bootstrap, sluice.raw_topic)
    (tmp_path / "orders.ndjson").write_text(json.dumps(ORDER))
    (tmp_path / "typo.yaml").write_text(ORDERS.replace("booking_id", "boking_id"))
    typo = sluice.run("replay", "--map", "typo.yaml", "orders.ndjson")
    assert typo.returncode == 2
    assert "typo.yaml, line 7, column 3: the payload of charge.succeeded has no boking_id" in typo.stderr
    assert await sent(sluice) == []

    (tmp_path / "orders.yaml").write_text(ORDERS)
    twice = [
        sluice.run("replay", "--map", "orders.yaml", "--rebase", "now", "orders.ndjson") for _ in range(2)
    ]
    assert [done.returncode for done in twice] == [0, 0], twice[0].stderr
    first, second = await sent(sluice)
    assert first["event_id"] == second["event_id"] == "order:7"
    assert first["payload"]["amount_minor"] == 1250
    age = datetime.now(UTC) - datetime.fromisoformat(first["occurred_at"])
    assert timedelta() <= age < timedelta(minutes=5)


async def test_what_is_refused_is_told_without_its_values_and_the_rest_is_sent(
    sluice: Sluice, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    await create_topics(kafka.bootstrap, sluice.raw_topic)
    (tmp_path / "orders.yaml").write_text(ORDERS)
    bad = [{**ORDER, "id": 8, "total": "hidden"}, {**ORDER, "id": 9, "total": "-1"}, {**ORDER, "paid": False}]
    (tmp_path / "orders.json").write_text(json.dumps([*bad, ORDER], indent=1))

    done = sluice.run("replay", "--map", "orders.yaml", "orders.json")

    assert done.returncode == 1
    assert "refused: 2, not sent:" in done.stderr
    assert "1 × MAPPING_INVALID field: payload.amount_minor must be a decimal number" in done.stderr
    assert "1 × EVENT_SCHEMA_INVALID payload_field: amount_minor: " in done.stderr
    assert "hidden" not in done.stderr + done.stdout
    assert "not for us: 1 (where 1)" in done.stdout
    records = await read_all(kafka.bootstrap, sluice.raw_topic)
    assert ids_of(record.value for record in records) == ["order:7"]


def test_options_that_do_not_fit_are_wrong_usage(sluice: Sluice, tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(ORDERS)
    wrong = {
        "leave out --format": ["--map", "orders.yaml", "--format", "stripe", "x"],
        "--check is for a mapping file": ["--check", "x"],
        "Missing argument": ["--format", "stripe"],
        "none.yaml: cannot be read": ["--map", "none.yaml", "--check"],
    }
    for said, arguments in wrong.items():
        done = sluice.run("replay", *arguments)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_check_runs_the_examples(sluice: Sluice, tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    right = ORDERS + 'examples:\n  - {in: {id: 1, paid: yes, at: 0, total: 1}, out: {event_id: "order:1"}}\n'
    path.write_text(right)
    good = sluice.run("replay", "--map", "orders.yaml", "--check")
    assert (good.returncode, good.stdout) == (0, "orders.yaml: is right, and so are its 1 examples\n")
    path.write_text(right.replace("order:1", "order:2"))
    bad = sluice.run("replay", "--map", "orders.yaml", "--check")
    assert bad.returncode == 1
    assert "orders.yaml, line 11: the example is otherwise in event_id" in bad.stderr
