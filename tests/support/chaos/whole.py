"""All roles at once: two views workers, two of Bronze, two of the gates, an api; and the blows on them."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from fractions import Fraction
from pathlib import Path

import httpx

from streams.embedded.broker import EmbeddedKafka
from tests.oracle.load import Load
from tests.support.chaos.blows import Chaos, named_as
from tests.support.chaos.staleness import SLACK
from tests.support.feed import FeedWatcher, Source, micros, source_ends
from tests.support.gates import GateTopics, gate_records, payment
from tests.support.kafka import Raw, wait_until
from tests.support.processes import Role, Sluice

LEAKING = ("london", "porto", "gent", "oslo", "riga", "bern", "turin", None)
CURRENCY = "CHF"
BASE_MINOR = 200_000
TURN_SECONDS = 0.5
LEAKS = (Fraction(1, 5), Fraction(3, 100))
"""Of what was charged: an alarm, and a warning."""


class LiveLoad:
    """A load by the wall's clock. Besides, the payouts of some cities leak, one city after the other, and are
    made good a few seconds later: their gates close, or warn, and open."""

    def __init__(self, load: Load, partitions: int) -> None:
        self._load, self._partitions = load, partitions
        self._charged = dict.fromkeys(LEAKING, 0)
        self._leaked = dict.fromkeys(LEAKING, 0)
        self._payments = 0
        self._turns = 0
        self._turn_at = 0.0

    def take(self, count: int) -> list[Raw]:
        """About so many records, in the order in which they are to be sent."""
        self._load.now_ms = max(self._load.now_ms, time.time() * 1000)
        return self._load.take(count) + self._money()

    def _money(self) -> list[Raw]:
        if not self._turns:
            self._turns = 1
            return [
                self._payment(event, BASE_MINOR, city)
                for city in LEAKING
                for event in ("charge.succeeded", "payout.paid")
            ]
        if time.monotonic() < self._turn_at:
            return []
        self._turn_at = time.monotonic() + TURN_SECONDS
        self._turns += 1
        city = LEAKING[self._turns % len(LEAKING)]
        owed, self._leaked[city] = self._leaked[city], 0
        if owed:
            return [self._payment("charge.succeeded", owed, city)]
        self._leaked[city] = int(self._charged[city] * LEAKS[self._turns // len(LEAKING) // 2 % len(LEAKS)])
        return [self._payment("payout.paid", self._leaked[city], city)]

    def _payment(self, event: str, amount: int, city: str | None) -> Raw:
        self._payments += 1
        if event == "charge.succeeded":
            self._charged[city] += amount
        partition = self._payments % self._partitions
        raw = payment(event, amount, self._payments, city=city, currency=CURRENCY, partition=partition)
        return raw._replace(timestamp_ms=int(time.time() * 1000))


class WholeChaos(Chaos):
    """Blows on all roles."""

    def __init__(
        self, seed: int, kafka: EmbeddedKafka, sluice: Sluice, feed: FeedWatcher, named: Collection[str] = ()
    ) -> None:
        super().__init__(seed, kafka, sluice, feed, named)
        self.bronze = self._pair("bronze", named)
        self.gates = self._pair("gates", named)
        self.roles += [*self.bronze, *self.gates]
        self.bronze_folder = Path(sluice.settings.bronze_url.removeprefix("file://"))

    def _pair(self, role: str, named: Collection[str]) -> list[Role]:
        names = [f"{role}-{number}" for number in (1, 2)]
        pair = [self.sluice.role(name, "worker", role, **named_as(name, named)) for name in names]
        for worker in pair:
            worker.start()
        return pair

    async def kill_one(self, victim: Role) -> None:
        victim.kill()
        self.say(f"killed {victim.name}")
        victim.start()

    def victims(self, kills: int) -> list[Role]:
        """Whom to kill: everybody once, then anybody, in any order."""
        more = [self.random.choice(self.roles) for _ in range(kills - len(self.roles))]
        victims = [*self.roles, *more]
        self.random.shuffle(victims)
        return victims

    async def stop_a_bronze_worker(self) -> None:
        """One sleeps until the other has committed all that there was before; then it wakes up."""
        await self.until_all(self.bronze, self._owns, "own partitions")
        sleeper, other = self.random.sample(self.bronze, 2)
        sleeper.signal(signal.SIGSTOP)
        stopped_at, ends = time.monotonic(), await source_ends(self.sluice.settings)
        self.say(f"stopped {sleeper.name}")

        def taken_over() -> bool:
            assert other.running, other.tail()
            slept = time.monotonic() - stopped_at
            return slept > self.sluice.settings.session_seconds + 1 and self.in_bronze(ends)

        await wait_until(taken_over, f"{other.name} to take over", seconds=60)
        sleeper.signal(signal.SIGCONT)
        self.say(f"resumed {sleeper.name}")
        await self.until_all(self.bronze, self._owns, "own partitions")

    async def stop_the_leader(self) -> None:
        """The gates' leader sleeps until the other one leads; then it wakes up, and stands by."""
        sleeper = await self.leader(self.gates)
        (other,) = (worker for worker in self.gates if worker is not sleeper)
        sleeper.signal(signal.SIGSTOP)
        stopped_at = time.monotonic()
        self.say(f"stopped {sleeper.name}, which led")
        await self.leader([other])

        def slept() -> bool:
            return time.monotonic() - stopped_at > self.sluice.settings.session_seconds + 1

        await wait_until(slept, "the session to time out", seconds=20)
        sleeper.signal(signal.SIGCONT)
        self.say(f"resumed {sleeper.name}")

        async def one_leads() -> bool:
            return [await self._leads(worker) for worker in (sleeper, other)] == [False, True]

        await wait_until(one_leads, f"{sleeper.name} to stand by", seconds=30)

    async def views_away(self) -> None:
        """No views worker reports until the gates have been told as stale beyond doubt."""
        await self.leader(self.gates)
        for worker in self.workers:
            worker.kill()
        clearly_us = time.time() * 1e6 + (self.sluice.settings.session_seconds + 2 * SLACK) * 1e6
        self.say("killed both views workers, and left them dead")
        gates = GateTopics(self.sluice.settings)

        async def told() -> bool:
            records = gate_records(await gates.reads())
            return any(micros(one["evaluated_at"]) > clearly_us for one in records if one["state"] == "stale")

        await wait_until(told, "the gates to be told as stale", seconds=60)
        for worker in self.workers:
            worker.start()
        self.say("started both views workers")

    async def leader(self, among: Sequence[Role]) -> Role:
        """Wait until one of these leads."""

        async def leads() -> Role | None:
            self.revive()
            for worker in among:
                if await self._leads(worker):
                    return worker
            return None

        role: Role = await wait_until(leads, "a leader of the gates", seconds=40)
        return role

    async def until_all(
        self, workers: Sequence[Role], condition: Callable[[Role], Awaitable[bool]], what: str
    ) -> None:
        async def there() -> bool:
            self.revive()
            return all([await condition(worker) for worker in workers])

        await wait_until(there, f"{[worker.name for worker in workers]} to {what}", seconds=90)

    def in_bronze(self, ends: dict[Source, int]) -> bool:
        """Whether the commits reach these ends."""
        for (topic, partition), end in ends.items():
            commits = (self.bronze_folder / "_commits" / topic / str(partition)).glob("*.json")
            newest = max(commits, default=None)
            if end and (newest is None or json.loads(newest.read_bytes())["next"] < end):
                return False
        return True

    async def _owns(self, worker: Role) -> bool:
        group = self.sluice.settings.group("bronze")
        return f'sluice_consumer_lag_records{{group="{group}"' in await _metrics(worker)

    async def _leads(self, worker: Role) -> bool:
        return "sluice_gates{" in await _metrics(worker)


async def _metrics(worker: Role) -> str:
    """What it measures; empty while it does not answer."""
    if "metrics on" not in worker.output():
        return ""
    try:
        return (await worker.get("/metrics")).text
    except httpx.TransportError:
        return ""
