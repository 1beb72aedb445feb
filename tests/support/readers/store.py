"""A Bronze as workers leave it, with all that readers stumble over, and what is to be read in it.

Members that nobody declared have another type in every row, some rows have no city, some were sent in
another version and adapted, money goes up to 2^53 − 1, a range is committed late, and of another one the
objects are there and the commit is not yet.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any, NamedTuple
from unittest.mock import patch

from agents.bronze.commit import Committer
from agents.bronze.layout import Layout, layout_of
from agents.bronze.store import Store
from schemas.catalogue import EVENTS
from schemas.spec import Adapter
from tests.support.bronze import Record, built

TOPIC = "events.raw"
AT_MS = 1_775_044_800_000  # 2026-04-01T12:00:00Z
MAX_MINOR = 2**53 - 1
MONEY = ("charge.succeeded", "refund.succeeded")
CITIES = ("berlin", "são-paulo", "007", "1d", "__none__", None)
ODD: tuple[Any, ...] = (1, "zwei", None, [3.5, {"vier": 4}], {"a": {"b": []}}, True, "日本\u2028", -0.5)
Sums = dict[tuple[str, str | None, str], tuple[int, int]]
"""Rows and minor units by event, city and currency."""


class Expected(NamedTuple):
    """What readers must find: rows by event, and sums of `MONEY`."""

    counts: dict[str, int]
    sums: Sums


def found_by(answer: dict[str, list[Any]]) -> Expected:
    """What a recipe answers."""
    return Expected(
        dict(answer["counts"]),
        {(event, city, currency): (rows, minor) for event, city, currency, rows, minor in answer["sums"]},
    )


def _event(number: int) -> bytes:
    names = (*MONEY, "search.click", "booking.declined")
    name = names[number % len(names)]
    odd = ODD[number % len(ODD)]
    amount = MAX_MINOR if number % 101 == 0 else number
    payload: dict[str, Any] = {
        "charge.succeeded": {"charge_id": f"c{number}", "booking_id": "b", "amount_minor": amount},
        "refund.succeeded": {"refund_id": f"r{number}", "charge_id": "c", "amount_minor": amount},
        "search.click": {"session_id": "s", "listing_id": "ü", "position": 1, "amount_minor": odd},
        "booking.declined": {"booking_id": "b", "provider_id": "p", "reason": None, "currency": odd},
    }[name]
    if name in MONEY:
        payload |= {"currency": ("EUR", "JPY")[number // 8 % 2], "extra": odd}
    event: dict[str, Any] = {
        "event_id": f"e{number}", "event": name, "version": 1, "source": "tëst",
        "occurred_at": f"2026-0{number % 2 + 1}-1{number % 3}T12:00:00.000001Z", "unknown": odd,
        "payload": payload,
    }  # fmt: skip
    if number % 12 == 1:
        event |= {"version": 2, "payload": {**payload, "amount": payload.pop("amount_minor")}}
    if number % 7 == 0:
        event["occurred_at"] = event["occurred_at"].lower()
    city = CITIES[number // 4 % len(CITIES)]
    if city is not None or number % 2:
        event["city"] = _slug(city)
    return json.dumps(event, ensure_ascii=number % 2 == 0, indent=number % 5 or None).encode()


def _from_two(event: dict[str, Any]) -> dict[str, Any]:
    payload = dict(event["payload"])
    return {**payload, "amount_minor": payload.pop("amount")}


def _adapted() -> Any:
    """The catalogue in which refunds have an adapter, while in it."""
    adapter = Adapter(of=2, to=1, adapt=_from_two, examples=())
    refund = replace(EVENTS["refund.succeeded"], adapters=(adapter,))
    return patch("schemas.validation.adapting.EVENTS", {**EVENTS, refund.name: refund})


def _slug(city: str | None) -> str | None:
    return None if city is None else city.replace("ã", "a")


class _Stopped(BaseException):
    """The writer is killed."""


class _Dying:
    """A store whose writer is killed when all objects are there, before it seals its intent."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def replace(self, *_: object) -> None:
        raise _Stopped


LAYOUT_OF_ALL = ("bookings", "payments", "search")
VALUES = [_event(number) if number % 50 != 49 else b"no event" for number in range(1000)]


async def write(store: Store, *domains: str) -> Expected:
    """Write it, the events of `domains` by city, but for its last commit. Answers what is committed."""
    layout = layout_of(domains)
    await _range(store, 1, VALUES[700:900], layout, committed=False)
    await _range(store, 0, VALUES[:300], layout)
    await _range(store, 0, VALUES[300:700], layout, first=300)
    await _range(store, 1, VALUES[700:900], layout)
    await _range(store, 0, VALUES[900:], layout, first=700, committed=False)
    return expected(VALUES[:900])


async def finish(store: Store) -> Expected:
    """Commit what is open, as the next worker does. Answers what is committed."""
    await Committer(store, TOPIC, 0, "next", lambda *_: None).resume(None)
    return expected(VALUES)


async def _range(
    store: Store,
    partition: int,
    values: list[bytes],
    layout: Layout,
    first: int = 0,
    *,
    committed: bool = True,
) -> bool:
    records = [Record(first + number, AT_MS + number, value) for number, value in enumerate(values)]
    with _adapted():
        made = built(records, first, layout=layout, partition=partition)
    writer: Any = store if committed else _Dying(store)
    try:
        await Committer(writer, TOPIC, partition, "writer", lambda *_: None).commit(made)
    except _Stopped:
        return False
    return True


def expected(values: list[bytes]) -> Expected:
    """What is in these values, by Python's own json."""
    counts: Counter[str] = Counter()
    sums: Sums = defaultdict(lambda: (0, 0))
    for value in values:
        if value == b"no event":
            continue
        event = json.loads(value)
        counts[event["event"]] += 1
        if event["event"] in MONEY:
            key = (event["event"], event.get("city"), event["payload"]["currency"])
            rows, minor = sums[key]
            amount = event["payload"]["amount_minor" if event["version"] == 1 else "amount"]
            sums[key] = (rows + 1, minor + amount)
    return Expected(dict(counts), dict(sums))
