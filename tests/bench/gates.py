"""How long after the checkpoint that causes it a gate's change of state is published, at 500 pairs.

Run alone: `python -m tests.bench.gates`.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.settings import Settings
from tables.codec import decode_checkpoint
from tests.support.gates import payment
from tests.support.kafka import Raw, wait_until
from tests.support.processes import Sluice
from tests.support.sending import send_all, started_producer

CURRENCIES = ("EUR", "GBP", "USD", "JPY")
PARTITIONS = 4
EVENTS_PER_SECOND = 200
Pair = tuple[str, str]


class GateLatency(NamedTuple):
    """Seconds from a checkpoint (its wall clock) to a read_committed reader having the gate's record, sorted.

    `raised`: ok → alarm, after three evaluations in a row; `cleared`: alarm → ok, after ten.
    """

    pairs: int
    raised: list[float]
    cleared: list[float]


def at_share(values: list[float], share: float) -> float:
    """The value that this share of sorted values does not exceed."""
    return values[min(len(values) - 1, int(len(values) * share))]


class _Watch:
    """Follows the feed's checkpoints and the gates' states, and when each was seen."""

    def __init__(self, settings: Settings) -> None:
        self.checkpoints: dict[int, list[tuple[int, float]]] = {}
        self.changed: dict[tuple[Pair, str], float] = {}
        self.states: dict[Pair, str] = {}
        self._feed, self._gates = settings.topic("views.feed"), settings.topic("ops.gates")
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=list(settings.kafka), isolation_level="read_committed",
            enable_auto_commit=False, fetch_max_wait_ms=20,
        )  # fmt: skip

    async def follow(self) -> None:
        await self._consumer.start()
        feeds = [TopicPartition(self._feed, number) for number in range(PARTITIONS)]
        self._consumer.assign([*feeds, TopicPartition(self._gates, 0)])
        await self._consumer.seek_to_beginning()
        try:
            while True:
                for tp, records in (await self._consumer.getmany(timeout_ms=100)).items():
                    for record in records:
                        self._take(tp, record, time.time())
        finally:
            await self._consumer.stop()

    def _take(self, tp: TopicPartition, record: Any, now: float) -> None:
        if tp.topic == self._feed and record.key[:2] == b"c:":
            found = decode_checkpoint(record.value)
            self.checkpoints.setdefault(tp.partition, []).append((found.next, found.at / 1000))
        elif tp.topic == self._gates and record.value is not None:
            gate = json.loads(record.value)
            pair = (gate["city"], gate["currency"])
            if self.states.get(pair) != gate["state"]:
                self.states[pair] = gate["state"]
                self.changed[pair, gate["state"]] = now

    def seconds(self, pair: Pair, state: str, partition: int, offset: int) -> float:
        """From the first checkpoint behind a source offset to the gate being seen in a state."""
        at = next(at for upto, at in self.checkpoints[partition] if upto > offset)
        return self.changed[pair, state] - at


async def gate_latency(
    bootstrap: str, folder: Path, prefix: str = "gates.", changes: int = 100
) -> GateLatency:
    """With a views worker and a gates worker of its own: `changes` gates are raised, then cleared."""
    pairs = [(f"city-{number}", currency) for number in range(125) for currency in CURRENCIES]
    with Sluice(folder, bootstrap, prefix, partitions=PARTITIONS) as sluice:
        await topics.create(sluice.settings)
        gates = sluice.role("gates", "worker", "gates")
        sluice.worker()
        gates.start()
        watch = _Watch(sluice.settings)
        watching = asyncio.create_task(watch.follow())
        producer = await started_producer(bootstrap)
        raw = sluice.settings.raw_topics[0]
        traffic: asyncio.Task[None] | None = None
        try:
            await send_all(producer, raw, _balance(pairs))
            await wait_until(
                lambda: list(watch.states.values()).count("ok") == len(pairs), "all gates", seconds=90
            )
            traffic = asyncio.create_task(_traffic(producer, raw, pairs))
            chosen = random.Random(1).sample(pairs, changes)
            raised = await _change(producer, raw, watch, chosen, event="payout.paid", state="alarm")
            cleared = await _change(producer, raw, watch, chosen, event="charge.succeeded", state="ok")
        finally:
            for task in (watching, traffic):
                if task is not None:
                    task.cancel()
            await asyncio.gather(watching, *([] if traffic is None else [traffic]), return_exceptions=True)
            await producer.stop()
    return GateLatency(len(pairs), sorted(raised), sorted(cleared))


def _balance(pairs: list[Pair]) -> list[Raw]:
    """As much paid out as was charged, for every pair."""
    return [
        payment(event, 1_000_000, f"base-{city}-{currency}", city=city, currency=currency, partition=n % 4)
        for n, (city, currency) in enumerate(pairs)
        for event in ("charge.succeeded", "payout.paid")
    ]


async def _change(
    producer: AIOKafkaProducer, raw: str, watch: _Watch, pairs: list[Pair], *, event: str, state: str
) -> list[float]:
    """Bring gates into a state, one at a time and at odd moments; answers how long each took."""
    sent: dict[Pair, tuple[int, int]] = {}
    moments = random.Random(2)
    for number, (city, currency) in enumerate(pairs):
        record = payment(event, 300_000, f"{state}-{city}-{currency}", city=city, currency=currency)
        to = number % PARTITIONS
        stored = await producer.send_and_wait(raw, record.value, key=record.key, partition=to)
        sent[city, currency] = (to, stored.offset)
        await asyncio.sleep(moments.uniform(0.02, 0.18))
    await wait_until(
        lambda: all(watch.states[pair] == state for pair in pairs), f"gates to be {state}", seconds=60
    )
    return [watch.seconds(pair, state, *sent[pair]) for pair in pairs]


async def _traffic(producer: AIOKafkaProducer, raw: str, pairs: list[Pair]) -> None:
    """Payments that agree, all over the pairs, so that there is something to add up."""
    number = 0
    while True:
        records = []
        for _ in range(EVENTS_PER_SECOND // 20):
            city, currency = pairs[number // 2 % len(pairs)]
            event = ("charge.succeeded", "payout.paid")[number % 2]
            records.append(
                payment(event, 10, f"t{number}", city=city, currency=currency, partition=number % 4)
            )
            number += 1
        await send_all(producer, raw, records)
        await asyncio.sleep(0.1)


def main() -> None:
    """Measure on an embedded Kafka of its own and print what came out."""
    with tempfile.TemporaryDirectory(prefix="sluice-gates-") as name:
        kafka = EmbeddedKafka(Path(name) / "kafka")
        kafka.start()
        try:
            found = asyncio.run(gate_latency(kafka.bootstrap, Path(name)))
        finally:
            kafka.stop()
    for what, values in (("raised", found.raised), ("cleared", found.cleared)):
        shown = ", ".join(
            f"{label} {at_share(values, share):.2f} s" for label, share in (("p50", 0.5), ("p99", 0.99))
        )
        print(f"{found.pairs} pairs, {len(values)} {what}: {shown}, most {values[-1]:.2f} s")


if __name__ == "__main__":
    main()
