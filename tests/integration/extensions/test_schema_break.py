"""A producer sends version 2 of an event too early; an adapter is released; what was refused is sent again.

A second pipeline gets the same events as version 1 in the first place: views and Bronze have to be the same.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.bronze_rows import Bronze
from tests.support.kafka import Raw, read_all, wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

PAYOUTS = 40
EARLY = range(0, PAYOUTS, 2)
"""Payouts whose end was sent in version 2 before there was an adapter."""
LATER = range(1, PAYOUTS, 4)
"""Those whose end was sent in version 2 when there was one."""
PACKAGE = '''
"""payout.paid as payouts 2.0 sends it: the money in an object of its own, in whole cents as text."""
from schemas.spec import Adapter

PAYOUT = {"payout_id": "p", "provider_id": "v"}


def first_version(event):
    payload = dict(event["payload"])
    money = payload.pop("money")
    return {**payload, "amount_minor": int(money["cents"]), "currency": money["currency"]}


ADAPTERS = {
    "payout.paid": (
        Adapter(
            of=2,
            to=1,
            adapt=first_version,
            examples=(
                (
                    {**PAYOUT, "money": {"cents": "1200", "currency": "EUR"}},
                    {**PAYOUT, "amount_minor": 1200, "currency": "EUR"},
                ),
            ),
        ),
    )
}
'''
NOW = time.time()


def record(name: str, number: int, payload: dict[str, Any], version: int = 1) -> Raw:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 600 + number))
    event = {
        "event_id": f"{name}-{number}", "event": name, "version": version, "occurred_at": at,
        "source": "payouts", "city": ("oslo", "lisbon")[number % 2], "payload": payload,
    }  # fmt: skip
    return Raw(json.dumps(event).encode(), key=b"p%d" % number, partition=number % 2)


def begun(number: int) -> Raw:
    payload = {
        "payout_id": f"p{number}", "provider_id": "v", "amount_minor": 100 + number, "currency": "EUR",
        "due_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW + 3600)),
    }  # fmt: skip
    return record("payout.initiated", number, payload)


def paid(number: int, version: int) -> Raw:
    of = {"payout_id": f"p{number}", "provider_id": "v"}
    if version == 1:
        return record("payout.paid", number, {**of, "amount_minor": 100 + number, "currency": "EUR"})
    money = {"cents": str(100 + number), "currency": "EUR"}
    return record("payout.paid", number, {**of, "money": money}, version)


def ends(numbers: range, version: int) -> list[Raw]:
    return [paid(number, version) for number in numbers]


def total(numbers: Iterable[int]) -> int:
    return sum(100 + number for number in numbers)


async def answers(api: Role) -> dict[str, Any]:
    """The rows of both views of payouts, without ages; none of one that is not complete."""
    around = {"from": str(int(NOW - 7200) * 1000), "to": str(int(NOW + 7200) * 1000)}
    found = {}
    for name, query in (("ops_recon_variance", around), ("ops_payout_backlog", {})):
        answer = (await api.get(f"/v1/views/{name}", **query)).json()
        rows = answer["rows"] if answer["complete"] else []
        found[name] = [
            {measure: row[measure] for measure in row if measure != "oldest_seconds"} for row in rows
        ]
    return found


async def see_paid(api: Role, numbers: Iterable[int]) -> dict[str, Any]:
    """The rows once exactly these payouts have been paid, and the others are open."""
    paid_minor, open_minor = total(numbers), total(range(PAYOUTS)) - total(numbers)

    async def there() -> dict[str, Any] | None:
        rows = await answers(api)
        said = sum(row["payouts_minor"] for row in rows["ops_recon_variance"])
        waiting = sum(row["open_minor"] for row in rows["ops_payout_backlog"])
        return rows if (said, waiting) == (paid_minor, open_minor) else None

    rows: dict[str, Any] = await wait_until(there, f"{paid_minor} to be paid in the views", seconds=60)
    return rows


def events_of(store: Path, topic: str) -> dict[str, Any]:
    """What Bronze has of the accepted events, by their ids."""
    stored = Bronze(store)
    rows = [
        json.loads(one.value or b"")
        for one in stored.records[topic]
        if (topic, one.partition, one.offset) not in stored.bad
    ]
    found = {row["event_id"]: row for row in rows}
    assert len(found) == len(rows), "an event is there twice"
    return found


def started(sluice: Sluice, extensions: str, run: int) -> list[Role]:
    return [
        sluice.worker(f"views{run}", extensions=extensions),
        sluice.bronze(f"bronze{run}", extensions=extensions),
    ]


async def all_in_bronze(sluice: Sluice, events: int) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        found = events_of(sluice.folder / "store", sluice.raw_topic)
        return found if len(found) == events else None

    rows: dict[str, Any] = await wait_until(there, f"{events} events to be in Bronze", seconds=60)
    return rows


async def test_it_is_as_if_nothing_had_been(kafka: EmbeddedKafka, prefix: str, tmp_path: Path) -> None:
    beginnings = [begun(number) for number in range(PAYOUTS)]
    packages = tmp_path / "packages"
    (packages / "payouts_two").mkdir(parents=True)
    (packages / "payouts_two" / "__init__.py").write_text(PACKAGE)
    for name in ("broken", "well"):
        (tmp_path / name).mkdir()
    with (
        Sluice(tmp_path / "broken", kafka.bootstrap, f"{prefix}broken-", partitions=2) as broken,
        Sluice(tmp_path / "well", kafka.bootstrap, f"{prefix}well-", partitions=2) as well,
    ):
        broken.packages.append(packages)
        for sluice in (broken, well):
            await topics.create(sluice.settings)
        started(well, "", 1)
        roles, api = started(broken, "", 1), broken.api()
        await produce_all(kafka.bootstrap, well.raw_topic, beginnings + ends(EARLY, 1) + ends(LATER, 1))

        # Too early: nobody knows version 2.
        await produce_all(kafka.bootstrap, broken.raw_topic, beginnings + ends(EARLY, 2))
        quarantine = broken.settings.topic("events.quarantine")

        async def refused() -> bool:
            found = [dict(one.headers)["reason"] for one in await read_all(kafka.bootstrap, quarantine)]
            return found == [b"unknown_version"] * len(EARLY)

        await wait_until(refused, "version 2 to be quarantined", seconds=60)
        await see_paid(api, [])
        assert broken.run("quarantine", "replay", "--adapter", "payout.paid:2").returncode == 2

        # The adapter is released, and producers go on with either version.
        for role in roles:
            await role.terminate()
        roles = started(broken, "payouts_two", 2)
        await produce_all(kafka.bootstrap, broken.raw_topic, ends(LATER, 2))
        await see_paid(api, LATER)
        by_adapter = ("quarantine", "replay", "--adapter", "payout.paid:2", "--json")
        rehearsed = broken.run(*by_adapter, "--dry-run", extensions="payouts_two")
        assert json.loads(rehearsed.stdout)["would_pass"] == len(EARLY), rehearsed.stderr
        for sent in (len(EARLY), 0):
            replayed = broken.run(*by_adapter, extensions="payouts_two")
            assert json.loads(replayed.stdout)["sent"] == sent, replayed.stderr

        both = [*EARLY, *LATER]
        healed = await see_paid(api, both)
        assert healed == await see_paid(well.api(), both)
        count = PAYOUTS + len(both)
        assert await all_in_bronze(broken, count) == await all_in_bronze(well, count)
        await see_marks(broken, roles[0])


async def see_marks(sluice: Sluice, worker: Role) -> None:
    """What was sent in version 2 is counted, and can be read in Bronze as it was sent."""
    page = (await worker.get("/metrics")).text
    (counted,) = re.findall(r'sluice_adapted_total\{event="payout.paid",version="2"\} (\S+)', page)
    assert float(counted) == len(EARLY) + len(LATER)
    lines = duckdb.connect().execute(
        "SELECT line ->> '$._kafka.adapted.payload', CAST(line ->> '$.payload.amount_minor' AS INT)"
        " FROM read_csv(?, columns = {'line': 'JSON'}, delim = '\x01', quote = '', header = false)"
        " WHERE line ->> '$._kafka.adapted.version' = '2'",
        [str(sluice.folder / "store/event=payout.paid/*/*.ndjson.gz")],
    )
    sent = {json.loads(payload)["payout_id"]: amount for payload, amount in lines.fetchall()}
    assert sent == {f"p{number}": 100 + number for number in [*EARLY, *LATER]}
