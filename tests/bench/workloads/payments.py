"""Payments alone, as a busy service sends them: large batches, ids that no cache holds, and disorder.

Charges, fees, refunds and the payouts of 200,000 entities, keyed by entity; every event has a UUID as its id.
An event is sent up to 30 s after it occurred. Exactly every hundredth record is a bad one, for every reason
that there is. Nothing is sent twice. The same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from streams.sources.market import Record
from streams.sources.market.bad import draw_reason, spoil
from tests.bench.workloads.market import BAD_EVERY, CITIES, CURRENCIES, MAX_EVENT_BYTES

SEED = 20_260_315
START = datetime(2026, 3, 15, 9, tzinfo=UTC)
ENTITIES = 200_000
EVENTS_PER_SECOND = 2_000
"""By the records' Kafka timestamps."""
DISORDER_SECONDS = 30


def _charge(entity: int, amount: int) -> str:
    return f'"charge_id":"chg-{entity:08d}","booking_id":"bkg-{entity:08d}","amount_minor":{amount}'


def _fee(entity: int, amount: int) -> str:
    return f'"fee_id":"fee-{entity:08d}","kind":"platform","amount_minor":{amount // 8}'


def _refund(entity: int, amount: int) -> str:
    return f'"refund_id":"rfd-{entity:08d}","charge_id":"chg-{entity:08d}","amount_minor":{amount // 2}'


def _payout(entity: int, amount: int) -> str:
    return f'"payout_id":"pyo-{entity:08d}","provider_id":"prv-{entity % 20_000:05d}","amount_minor":{amount}'


def _initiated(entity: int, amount: int) -> str:
    return f'{_payout(entity, amount)},"due_at":"2026-03-{17 + entity % 10}T00:00:00Z"'


MIX: tuple[tuple[str, Callable[[int, int], str]], ...] = (
    *(("charge.succeeded", _charge),) * 8,
    *(("fee.assessed", _fee),) * 4,
    *(("refund.succeeded", _refund),) * 2,
    *(("payout.initiated", _initiated),) * 3,
    *(("payout.paid", _payout),) * 3,
)
"""Twenty events, as often as they are drawn."""


def events(count: int) -> Iterator[Record]:
    """`count` records, in the order of sending."""
    random = Random(SEED)
    draw, bits = random.random, random.getrandbits
    start_us = int(START.timestamp()) * 1_000_000
    for number in range(1, count + 1):
        at_us = start_us + number * 1_000_000 // EVENTS_PER_SECOND
        occurred = START + timedelta(
            microseconds=at_us - start_us, milliseconds=-int(draw() * DISORDER_SECONDS * 1000)
        )
        name, payload = MIX[int(draw() * len(MIX))]
        entity = int(draw() * ENTITIES)
        city = entity % CITIES
        money = f'{payload(entity, 1_000 + int(draw() * 50_000))},"currency":"{CURRENCIES[city % 3]}"'
        ids = f"{bits(128):032x}"
        value = (
            f'{{"event_id":"{ids[:8]}-{ids[8:12]}-{ids[12:16]}-{ids[16:20]}-{ids[20:]}","event":"{name}","version":1,'
            f'"occurred_at":"{occurred:%Y-%m-%dT%H:%M:%S}.{occurred.microsecond // 1000:03d}Z",'
            f'"source":"payments-service.eu-west-1.pod","city":"city-{city:02d}","trace_id":"{bits(128):032x}",'
            f'"payload":{{{money}}}}}'
        ).encode()
        spoiled: bytes | None = value
        if number % BAD_EVERY == 0:
            spoiled, _ = spoil(draw_reason(draw), value, draw, MAX_EVENT_BYTES)
        yield Record(f"{entity:08d}".encode(), spoiled, at_us)
