"""Ingest while Kafka is away: bounded, told, and nothing is acknowledged that is not there in the end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx

from streams.embedded.broker import EmbeddedKafka
from tests.support.ingest import declined, ids_of, started_ingest
from tests.support.kafka import create_topics, read_all, wait_until
from tests.support.processes import Sluice


async def test_without_kafka_it_takes_no_more_than_it_may_hold(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=1) as sluice:
        await create_topics(own_kafka.bootstrap, sluice.raw_topic)
        bounds = {"ingest_wait_seconds": 1, "ingest_body_bytes": 40_000, "ingest_inflight_bytes": 100_000}
        ingest = started_ingest(sluice, **bounds)
        await ingest.ready()
        url = await ingest.url("/v1/events")
        own_kafka.stop()

        async with httpx.AsyncClient(timeout=60) as client:

            async def post(event_id: str) -> httpx.Response:
                return await client.post(url, json=declined(event_id, note="x" * 30_000))

            answers = await asyncio.gather(*(post(f"e{number}") for number in range(10)))
            assert {one.status_code for one in answers} == {503}
            assert all(int(one.headers["retry-after"]) >= 1 for one in answers)
            told = [one.json()["detail"] for one in answers]
            assert sum("SLUICE_INGEST_INFLIGHT_BYTES" in one for one in told) == 8
            assert sum("has not acknowledged" in one for one in told) == 2
            full = await post("full")  # what nobody waits for any more is still held
            assert "SLUICE_INGEST_INFLIGHT_BYTES" in full.json()["detail"]

            async def is_not_ready() -> bool:
                return (await ingest.get("/readyz")).status_code == 503

            await wait_until(is_not_ready, "ingest to say that Kafka is silent")
            own_kafka.start()
            await ingest.ready()
            assert (await post("after")).status_code == 200

        found = ids_of(record.value for record in await read_all(own_kafka.bootstrap, sluice.raw_topic))
        assert len(found) == 3
        assert found[-1] == "after"


async def test_it_starts_before_kafka_does(own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=1) as sluice:
        await create_topics(own_kafka.bootstrap, sluice.raw_topic)
        own_kafka.stop()
        ingest = started_ingest(sluice)
        await ingest.says("http://")

        async def away() -> httpx.Response | None:
            async with httpx.AsyncClient(timeout=30) as client:
                try:
                    return await client.post(await ingest.url("/v1/events"), json=declined("a"))
                except httpx.TransportError:
                    return None

        answer = await wait_until(away, "an answer")
        assert answer.status_code == 503
        assert "waiting for Kafka" in json.loads(answer.text)["detail"]
        own_kafka.start()
        await ingest.ready()
        again = await away()
        assert again is not None
        assert again.status_code == 200


async def test_it_ends_in_time_while_kafka_is_away(
    own_kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, own_kafka.bootstrap, prefix, partitions=1) as sluice:
        await create_topics(own_kafka.bootstrap, sluice.raw_topic)
        ingest = started_ingest(sluice, ingest_wait_seconds=600)
        await ingest.ready()
        url = await ingest.url("/v1/events")
        own_kafka.stop()
        async with httpx.AsyncClient(timeout=60) as client:
            posting = asyncio.create_task(client.post(url, json=declined("a")))

            async def held() -> bool:
                return "sluice_ingest_inflight_bytes 0.0" not in (await ingest.get("/metrics")).text

            await wait_until(held, "the request to be held")
            await ingest.terminate(seconds=15)
            (outcome,) = await asyncio.gather(posting, return_exceptions=True)
        assert isinstance(outcome, BaseException) or outcome.status_code >= 500
