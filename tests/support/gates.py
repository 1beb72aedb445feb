"""What tests of the recon gates need: payments as events, and the gates' topics as their readers see them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from streams.settings import Settings
from tables.gates.records import gate_key
from tests.support.kafka import Raw, Read, read_all, wait_until


def payment(
    event: str, amount: int, number: int | str, *, city: str | None = "london", currency: str = "GBP",
    at: float | None = None, partition: int = 0,
) -> Raw:  # fmt: skip
    """One charge.succeeded, payout.paid, refund.succeeded or fee.assessed of so many minor units."""
    noun = event.partition(".")[0]
    payload: dict[str, Any] = {f"{noun}_id": f"{noun}-{number}", "amount_minor": amount, "currency": currency}
    payload |= {
        "charge": {"booking_id": "b"}, "payout": {"provider_id": "p"}, "refund": {"charge_id": "c"},
        "fee": {"kind": "platform"},
    }[noun]  # fmt: skip
    occurred = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    envelope = {
        "event_id": f"{event}-{number}", "event": event, "version": 1, "occurred_at": occurred.isoformat(),
        "source": "test", "city": city, "payload": payload,
    }  # fmt: skip
    return Raw(json.dumps(envelope).encode(), str(number).encode(), None, partition)


def gate_records(reads: Iterable[Read]) -> list[dict[str, Any]]:
    """The records of gates, in order, tombstones left out."""
    return [json.loads(read.value) for read in reads if read.value is not None]


class GateTopics:
    """`ops.gates` and `ops.alarms`, read anew each time by a read_committed reader."""

    def __init__(self, settings: Settings) -> None:
        self._bootstrap = ",".join(settings.kafka)
        self._gates, self._alarms = settings.topic("ops.gates"), settings.topic("ops.alarms")

    async def reads(self) -> list[Read]:
        return await read_all(self._bootstrap, self._gates)

    async def newest(self, city: str | None = "london", currency: str = "GBP") -> dict[str, Any] | None:
        key, found = gate_key(city, currency), None
        for read in await self.reads():
            if read.key == key:
                found = None if read.value is None else json.loads(read.value)
        return found

    async def history(self, city: str | None = "london", currency: str = "GBP") -> list[str]:
        """The states that the gate went through."""
        key, states = gate_key(city, currency), list[str]()
        for record in gate_records(read for read in await self.reads() if read.key == key):
            if not states or states[-1] != record["state"]:
                states.append(record["state"])
        return states

    async def until(
        self, state: str, city: str | None = "london", *, seconds: float = 30.0
    ) -> dict[str, Any]:
        """Wait until the gate's newest record is in a state."""
        newest: dict[str, Any] | None = None

        async def there() -> bool:
            nonlocal newest
            newest = await self.newest(city)
            return newest is not None and newest["state"] == state

        try:
            await wait_until(there, f"gate of {city} to be {state}", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {newest}") from None
        assert newest is not None
        return newest

    async def alarms(self) -> list[dict[str, Any]]:
        return [json.loads(read.value or b"") for read in await read_all(self._bootstrap, self._alarms)]


def alarm_differences(gates: Iterable[Read], alarms: Iterable[dict[str, Any]]) -> list[str]:
    """Hold the alarms against the gates' records: each change into or out of a closed state is one."""
    expected: list[tuple[str, str, str]] = []
    known: dict[bytes | None, tuple[str, str]] = {}
    for read in gates:
        record = {"state": "ended"} if read.value is None else json.loads(read.value)
        before, state = known.get(read.key), record["state"]
        if before is not None and before[0] in ("alarm", "stale") and before[0] != state:
            expected.append(((read.key or b"").decode(), before[0], "cleared"))
        if state in ("alarm", "stale") and (before is None or before[0] != state):
            expected.append(((read.key or b"").decode(), state, "raised"))
        known[read.key] = (state, record.get("since", ""))
    of_gates = [alarm for alarm in alarms if alarm["alarm_id"].startswith("recon/")]  # and not of lag
    told = [(*alarm["alarm_id"].split("/")[1:3], alarm["state"]) for alarm in of_gates]
    found = [f"not told: {one}" for one in expected if expected.count(one) > told.count(one)]
    found += [f"told too often: {one}" for one in told if told.count(one) > expected.count(one)]
    ids = [(alarm["alarm_id"], alarm["state"]) for alarm in alarms]
    return found + [f"twice: {one}" for one in set(ids) if ids.count(one) > 1]
