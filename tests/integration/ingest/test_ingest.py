"""`sluice ingest http` on a real Kafka: what is answered, and what is then in the topic."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.partitioner import DefaultPartitioner

from streams.embedded.broker import EmbeddedKafka
from streams.sources.mappings.examples.stripe import STRIPE
from tests.support.ingest import JSON, SECRET, declined, ids_of, signature, started_ingest
from tests.support.kafka import create_topics, read_all, wait_until
from tests.support.processes import Role, Sluice

MAP = """\
input: csv
event: fee.assessed
event_id: {template: "fee:{id}"}
occurred_at: {expr: at, time: unix}
payload: {fee_id: id, kind: {const: platform}, amount_minor: {minor: {amount: a, currency: c}}, currency: c}
"""


async def topic_of(sluice: Sluice, kafka: EmbeddedKafka, partitions: int = 1, **config: Any) -> str:
    await create_topics(kafka.bootstrap, sluice.raw_topic, partitions=partitions, **config)
    return sluice.raw_topic


async def post(role: Role, path: str, content: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    async with httpx.AsyncClient(timeout=60) as client:
        return await client.post(await role.url(path), content=body, headers=JSON | (headers or {}))


async def test_what_is_answered_with_200_is_in_kafka_byte_for_byte_and_where_its_key_belongs(
    sluice: Sluice, kafka: EmbeddedKafka
) -> None:
    topic = await topic_of(sluice, kafka, partitions=4)
    ingest = started_ingest(sluice)
    await ingest.ready()
    events = [declined(f"e{number}", f"b{number}", trace_id="ü") for number in range(50)]
    text = b"[" + b" ,\n".join(json.dumps(event, ensure_ascii=False).encode() for event in events) + b"]"

    answer = await post(ingest, "/v1/events", text)
    lines = b"\n".join(json.dumps(declined(f"n{number}")).encode() for number in range(3))
    by_line = await post(ingest, "/v1/events", lines + b"\n\n", {"content-type": "application/x-ndjson"})
    one = await post(ingest, "/v1/events", declined("single"))

    assert answer.status_code == by_line.status_code == one.status_code == 200
    assert answer.json()["accepted"] == 50
    assert [verdict["event_ids"] for verdict in answer.json()["verdicts"]] == [
        [e["event_id"]] for e in events
    ]
    records = await read_all(kafka.bootstrap, topic)
    values = {record.value for record in records}
    assert {json.dumps(event, ensure_ascii=False).encode() for event in events} <= values
    assert len(records) == 54
    partitioner = DefaultPartitioner()
    for record in records:
        assert record.key == json.loads(record.value or b"")["payload"]["booking_id"].encode()
        assert record.partition == partitioner(record.key, [0, 1, 2, 3], [0, 1, 2, 3])


async def test_what_is_refused_is_named_and_not_sent_and_the_rest_is(
    sluice: Sluice, kafka: EmbeddedKafka
) -> None:
    topic = await topic_of(sluice, kafka)
    ingest = started_ingest(sluice)
    await ingest.ready()
    bad = declined("bad", payload={"booking_id": "hidden-value"})
    future = declined("future", occurred_at="2999-01-01T00:00:00Z")

    answer = await post(ingest, "/v1/events", [declined("good"), bad, 7, future])

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["accepted"], told["refused"], told["not_for_us"]) == (1, 3, 0)
    assert [verdict.get("reason") for verdict in told["verdicts"]] == [
        None,
        "payload_field",
        "not_object",
        "in_future",
    ]
    assert told["verdicts"][1]["code"] == "EVENT_SCHEMA_INVALID"
    assert told["verdicts"][1]["field"] == "provider_id"
    assert "hidden-value" not in answer.text
    assert ids_of(record.value for record in await read_all(kafka.bootstrap, topic)) == ["good"]
    for text, reason in ((b"", "empty"), (b"{", "not_json"), (b"[{]", "not_json")):
        broken = await post(ingest, "/v1/events", text)
        assert (broken.status_code, broken.json()["verdicts"][0]["reason"]) == (422, reason)
    metrics = (await ingest.get("/metrics")).text
    assert 'sluice_ingest_events_total{route="events",verdict="accepted"} 1.0' in metrics
    assert 'sluice_ingest_refused_total{code="EVENT_SCHEMA_INVALID",reason="payload_field"} 1.0' in metrics
    assert "sluice_ingest_inflight_bytes 0.0" in metrics


async def test_an_event_that_the_topic_does_not_take_is_refused_alone(
    sluice: Sluice, kafka: EmbeddedKafka
) -> None:
    topic = await topic_of(sluice, kafka, max_message_bytes=2000)
    ingest = started_ingest(sluice)
    await ingest.ready()
    noise = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(100))

    events = [
        declined("a"),
        declined("large", note=noise),
        *(declined(f"b{n}", note=noise[n : n + 900]) for n in range(9)),
    ]
    answer = await post(ingest, "/v1/events", events)
    after = await post(ingest, "/v1/events", declined("after"))

    assert (answer.status_code, after.status_code) == (422, 200)
    assert [n for n, one in enumerate(answer.json()["verdicts"]) if one.get("reason") == "too_large"] == [1]
    expected = [event["event_id"] for event in events if event["event_id"] != "large"]
    assert ids_of(record.value for record in await read_all(kafka.bootstrap, topic)) == [*expected, "after"]


async def test_webhooks_of_stripe_need_its_signature(
    sluice: Sluice, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    topic = await topic_of(sluice, kafka)
    secrets = tmp_path / "secrets"
    secrets.write_text(f"whsec_old\n{SECRET}\n")
    ingest = started_ingest(sluice, stripe_secret_file=secrets)
    await ingest.ready()
    given = {example.title: json.dumps(example.given).encode() for example in STRIPE}
    charge, customer, nobody = given["a charge"], given["a customer"], given["a payout to nobody"]

    async def webhook(body: bytes, headers: dict[str, str]) -> int:
        return (await post(ingest, "/v1/webhooks/stripe", body, headers)).status_code

    assert await webhook(charge, {}) == 400
    assert await webhook(charge, signature(customer)) == 400
    assert await webhook(charge, signature(charge, "whsec_other")) == 400
    assert await webhook(charge, signature(charge, at=1772366400)) == 400
    assert await webhook(charge, signature(charge)) == 200
    assert await webhook(charge, signature(charge, "whsec_old")) == 200
    assert await webhook(customer, signature(customer)) == 200
    assert await webhook(nobody, signature(nobody)) == 422
    assert await webhook(b"{}", signature(b"{}")) == 422
    found = [json.loads(record.value or b"") for record in await read_all(kafka.bootstrap, topic)]
    assert [event["event_id"] for event in found] == ["ch_1:charge.succeeded"] * 2
    assert "a webhook of Stripe is refused" in ingest.output()


async def test_mappings_and_cloudevents_are_taken_live(
    sluice: Sluice, kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    topic = await topic_of(sluice, kafka)
    declared = tmp_path / "fees.yaml"
    declared.write_text(MAP)
    ingest = started_ingest(sluice, "--map", f"fees={declared}")
    await ingest.ready()
    attributes = {"id": "ce-1", "source": "/x", "type": "booking.declined", "time": "2026-03-01T12:00:00Z"}
    payload = declined("")["payload"]
    structured = {"specversion": "1.0", **attributes, "data": payload}

    def kind(name: str) -> dict[str, str]:
        return {"content-type": name}

    rows = await post(
        ingest, "/v1/map/fees", b"id;at;a;c\n1;1772366400;1.5;EUR\n2;1772366400;x;EUR\n", kind("text/csv")
    )
    objects = await post(ingest, "/v1/map/fees", [{"id": 3, "at": 1772366400, "a": 2, "c": "EUR"}])
    wrong = await post(ingest, "/v1/map/fees", b'a;b\n"x\n', kind("text/csv"))
    batch = await post(
        ingest,
        "/v1/events",
        [structured, {**structured, "id": "ce-2"}],
        kind("application/cloudevents-batch+json"),
    )
    single = await post(
        ingest,
        "/v1/events",
        {**structured, "id": "ce-3"},
        kind("application/cloudevents+json; charset=utf-8"),
    )
    binary = {
        "ce-specversion": "1.0",
        **{f"ce-{name}": value for name, value in attributes.items()},
        "ce-id": "ce-4",
    }
    headers = await post(ingest, "/v1/events", payload, binary)
    connect = await post(ingest, "/v1/map/connect", {"schema": {}, "payload": declined("con-1")})

    assert [one.status_code for one in (rows, objects, wrong, batch, single, headers, connect)] == [
        422, 200, 400, 200, 200, 200, 200,
    ]  # fmt: skip
    assert rows.json()["verdicts"][1]["field"] == "payload.amount_minor"
    assert ids_of(record.value for record in await read_all(kafka.bootstrap, topic)) == [
        "fee:1", "fee:3", "ce-1", "ce-2", "ce-3", "ce-4", "con-1",
    ]  # fmt: skip


async def test_tokens_and_their_limits(sluice: Sluice, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    topic = await topic_of(sluice, kafka)
    tokens = tmp_path / "tokens"
    shop, slow = (hashlib.sha256(token).hexdigest() for token in (b"shop", b"slow"))
    tokens.write_text(f"shop,{shop}\nslow,{slow},0.01\n")
    ingest = started_ingest(sluice, ingest_tokens_file=tokens, ingest_host="0.0.0.0")
    await ingest.says(r"http://0\.0\.0\.0:\d+")
    await ingest.ready()

    async def posted(token: str | None, event_id: str) -> httpx.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return await post(ingest, "/v1/events", [declined(event_id), declined(f"{event_id}-2")], headers)

    nobody, stranger = await posted(None, "no"), await posted("other", "no")
    assert (nobody.status_code, stranger.status_code) == (401, 401)
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    assert (await posted("shop", "a")).status_code == 200
    assert (await posted("slow", "b")).status_code == 200
    limited = await posted("slow", "c")
    assert limited.status_code == 429
    assert 150 < int(limited.headers["retry-after"]) <= 200
    assert (await posted("shop", "d")).status_code == 200
    found = ids_of(record.value for record in await read_all(kafka.bootstrap, topic))
    assert found == ["a", "a-2", "b", "b-2", "d", "d-2"]
    assert "slow has sent more" in limited.json()["detail"]


async def test_requests_that_are_refused_as_a_whole(sluice: Sluice, kafka: EmbeddedKafka) -> None:
    topic = await topic_of(sluice, kafka)
    ingest = started_ingest(sluice, ingest_body_bytes=2000)
    await ingest.ready()

    async def chunks() -> Any:
        for _ in range(30):
            yield b" " * 100

    large = await post(ingest, "/v1/events", b" " * 2001)
    async with httpx.AsyncClient(timeout=60) as client:
        chunked = await client.post(await ingest.url("/v1/events"), content=chunks(), headers=JSON)
    text = await post(ingest, "/v1/events", declined("a"), {"content-type": "text/plain"})
    packed = await post(ingest, "/v1/events", b"x", {"content-encoding": "gzip"})
    unknown = await post(ingest, "/v1/map/none", declined("a"))
    stripe = await post(ingest, "/v1/webhooks/stripe", b"{}")
    assert [one.status_code for one in (large, chunked, text, packed, unknown, stripe)] == [
        413, 413, 415, 415, 404, 404,
    ]  # fmt: skip
    assert all("detail" in one.json() for one in (large, chunked, text, packed, unknown, stripe))
    assert (await ingest.get("/v1/events")).status_code == 405
    assert (await ingest.get("/healthz")).status_code == 200
    assert await read_all(kafka.bootstrap, topic) == []


async def test_too_many_values_are_refused(sluice: Sluice, kafka: EmbeddedKafka) -> None:
    await topic_of(sluice, kafka)
    ingest = started_ingest(sluice)
    await ingest.ready()
    assert (await post(ingest, "/v1/events", [1] * 10_001)).status_code == 413


async def test_it_ends_with_what_is_under_way_answered(sluice: Sluice, kafka: EmbeddedKafka) -> None:
    topic = await topic_of(sluice, kafka, partitions=3)
    ingest = started_ingest(sluice)
    await ingest.ready()
    url = await ingest.url("/v1/events")
    acknowledged: list[str] = []

    async def keep_posting(client: httpx.AsyncClient, name: int) -> None:
        for number in range(100_000):
            event_id = f"p{name}-{number}"
            try:
                answer = await client.post(url, json=declined(event_id, f"b{number}"))
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                acknowledged.append(event_id)

    async with httpx.AsyncClient(timeout=30) as client:
        posting = [asyncio.create_task(keep_posting(client, name)) for name in range(5)]
        await wait_until(lambda: len(acknowledged) >= 50, "50 answers")
        code = await ingest.terminate(seconds=15)
        await asyncio.gather(*posting)
    assert code == 0
    assert set(acknowledged) <= set(ids_of(record.value for record in await read_all(kafka.bootstrap, topic)))


@pytest.mark.parametrize(
    ("changed", "arguments", "code", "said"),
    [
        ({"ingest_host": "0.0.0.0"}, (), 2, "SLUICE_INGEST_HOST"),
        ({"ingest_inflight_bytes": 2000}, (), 2, "SLUICE_INGEST_INFLIGHT_BYTES"),
        ({"stripe_secret_file": "/nowhere"}, (), 2, "SLUICE_STRIPE_SECRET_FILE"),
        ({}, ("--map", "fees"), 2, "NAME=FILE"),
        ({}, ("--map", "connect=a.yaml"), 2, "is built in"),
        ({}, ("--map", "fees=/nowhere.yaml"), 2, "/nowhere.yaml: cannot be read"),
        ({}, ("--topic", "no-such-topic"), 1, "there is no topic no-such-topic"),
    ],
)
def test_what_is_wrong_from_the_start_is_told(
    sluice: Sluice, changed: dict[str, Any], arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = sluice.run("ingest", "http", *arguments, **{"ingest_port": 0, **changed})
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_a_tokens_file_without_a_token_is_told(sluice: Sluice, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("# nobody yet\n")
    done = sluice.run("ingest", "http", ingest_port=0, ingest_tokens_file=tokens)
    assert done.returncode == 2
    assert "has no token" in done.stderr
