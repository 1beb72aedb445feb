"""The blows of the crash tests: processes killed, stopped and resumed, the broker restarted."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Collection

from streams.embedded.broker import EmbeddedKafka
from tests.support.chaos.traffic import Producing
from tests.support.feed import FeedWatcher
from tests.support.kafka import wait_until
from tests.support.processes import Role, Sluice


def drawn_seed() -> int:
    """`SLUICE_CHAOS_SEED`, or any; printed, so that it can be set."""
    seed = int(os.environ.get("SLUICE_CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"SLUICE_CHAOS_SEED={seed}")  # noqa: T201
    return seed


class Chaos:
    """Two views workers and an api, and the blows that fall on them, drawn from a seed."""

    def __init__(
        self, seed: int, kafka: EmbeddedKafka, sluice: Sluice, feed: FeedWatcher, named: Collection[str] = ()
    ) -> None:
        self.kafka, self.sluice, self.feed = kafka, sluice, feed
        self.random = random.Random(seed)
        # One that writes often and dies in the middle of it, one that has much to lose.
        self.workers = [
            sluice.worker(name, checkpoint_ms=every_ms, **named_as(name, named))
            for name, every_ms in (("views-1", 100), ("views-2", 1_000))
        ]
        self.api = sluice.api()
        self.roles: list[Role] = [*self.workers, self.api]
        self.exits: list[str] = []
        self.producing: Producing | None = None
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        told = (
            f"{time.monotonic() - self._started:6.1f} s: {text}; {self.feed.folded()} offsets in checkpoints"
        )
        print(told)  # noqa: T201

    async def progress(self, most: int = 3_000) -> None:
        """Until up to `most` more offsets are in checkpoints, and a moment longer."""
        goal = self.feed.folded() + self.random.randrange(1, most)

        def there() -> bool:
            self.revive()
            return self.feed.folded() >= goal

        await wait_until(there, f"{goal} offsets in checkpoints", seconds=60)
        await asyncio.sleep(self.random.uniform(0, 0.5))  # not a wait: it makes the moment random

    def revive(self) -> None:
        """What a supervisor does: start again what ended by itself. Noted, and judged at the end."""
        assert self.producing is None or self.producing.running, "the load has stopped"
        for role in self.roles:
            if not role.running:
                self.exits.append(f"{role.name} ended with {role.process.returncode}:\n{role.tail(15)}")
                role.start()

    async def kill(self) -> None:
        """Somebody: mostly workers, at times both at once, at times before it has even recovered."""
        victims = [self.random.choice((*self.workers, *self.workers, self.api))]
        if self.random.random() < 0.2:
            victims = list(self.workers)
        for victim in victims:
            victim.kill()
        self.say("killed " + " and ".join(victim.name for victim in victims))
        for victim in victims:
            victim.start()
        if self.random.random() < 0.2 and self.api not in victims:
            await victims[0].says("metrics on")
            victims[0].kill()
            victims[0].start()
            self.say(f"killed {victims[0].name} again as it started")

    async def stop_and_resume(self) -> None:
        """One worker sleeps until the other has its partitions and works on them; then it wakes up."""
        await self.both_own()
        sleeper, other = self.random.sample(self.workers, 2)
        theirs = {source for source, (name, _) in self.feed.owners.items() if self.is_of(sleeper, name)}
        stopped_at_ms = time.time() * 1000
        sleeper.signal(signal.SIGSTOP)
        self.say(f"stopped {sleeper.name}, which had {len(theirs)} partitions")
        before = dict(self.feed.next)

        def taken_over() -> bool:
            assert other.running, other.tail()
            slept_ms = time.time() * 1000 - stopped_at_ms
            return slept_ms > 1000 * self.sluice.settings.session_seconds and all(
                self.is_of(other, self.feed.owners[source][0])
                and self.feed.next[source] > before[source] + 200
                for source in theirs
            )

        await wait_until(taken_over, f"{other.name} to work on {theirs}", seconds=60)
        sleeper.signal(signal.SIGCONT)
        self.say(f"resumed {sleeper.name}")
        await self.both_own()

    async def restart_broker(self) -> None:
        how = self.random.choice((self.kafka.stop, self.kafka.kill))
        await asyncio.to_thread(how)
        self.say(f"broker gone ({how.__name__})")
        await asyncio.to_thread(self.kafka.start)
        self.say("broker back")

    async def both_own(self) -> None:
        """Until both workers have said that they own partitions, each partition one of them."""

        def shared() -> bool:
            self.revive()
            recent = {name for name, at_ms in self.feed.owners.values() if time.time() * 1000 - at_ms < 3_000}
            return all(any(self.is_of(worker, name) for name in recent) for worker in self.workers)

        await wait_until(shared, "both workers to own partitions", seconds=90)

    @staticmethod
    def is_of(worker: Role, name: str) -> bool:
        """Whether a heartbeat's name is that of a worker (host-pid-random where the worker has none)."""
        return name == worker.name or f"-{worker.process.pid}-" in name


def named_as(name: str, named: Collection[str]) -> dict[str, str]:
    """The setting that makes a worker a static member of its group, if it is among those named."""
    return {"instance": name} if name in named else {}
