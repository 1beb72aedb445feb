"""Overrides on a real Kafka: a decision counts, is told, ends by itself, and opens no stale gate."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tables.gates.records import is_open
from tests.support.gates import GateTopics, payment
from tests.support.kafka import wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

GATE = "recon/london|GBP"


async def leaking(sluice: Sluice) -> Role:
    """A views worker, and a gate that will be in alarm."""
    await topics.create(sluice.settings)
    views = sluice.worker()
    records = [payment("charge.succeeded", 100_000, 0), payment("payout.paid", 150_000, 0)]
    await produce_all(",".join(sluice.settings.kafka), sluice.raw_topic, records)
    return views


class Decided:
    """What the command says, and what then is."""

    def __init__(self, sluice: Sluice, api: Role) -> None:
        self._sluice = sluice
        self._api = api
        self.gates = GateTopics(sluice.settings)

    async def by(self, *arguments: str, **settings: Any) -> tuple[int, str]:
        done = await asyncio.to_thread(
            self._sluice.run,
            "gates", "override", GATE, "--reason", "we know of it", *arguments,
            api_url=await self._api.url(""), **settings,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    async def until(self, what: str, *, is_open_: bool) -> dict[str, Any]:
        """The gate's record once it lets pass, or no longer."""
        found: dict[str, Any] | None = None

        async def there() -> bool:
            nonlocal found
            found = await self.gates.newest()
            return found is not None and is_open(found, time.time()) is is_open_

        await wait_until(there, what, seconds=60)
        assert found is not None
        return found

    async def alarms(self) -> Sequence[tuple[str, str]]:
        told = await self.gates.alarms()
        return [(a["severity"], a["state"]) for a in told if a["alarm_id"].startswith("override/")]


async def test_a_decision_opens_a_gate_for_its_time_and_outlives_the_leader(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await leaking(sluice)
        leader, api = sluice.gates("first"), sluice.api()
        decided = Decided(sluice, api)
        await decided.gates.until("alarm")
        await api.ready()
        code, said = await decided.by("--open", "--for", "2h")
        assert code == 0, said
        found = await decided.until("the gate to be open", is_open_=True)
        assert (found["state"], found["open"], found["override"]) == ("alarm", True, "open")
        assert found["override_reason"] == "we know of it"
        assert await decided.alarms() == [("warning", "raised")]

        leader.kill()
        sluice.gates("second")
        await wait_until(lambda: _led_since(decided, found), "another leader", seconds=60)
        assert (await decided.until("the gate to be open still", is_open_=True))["override"] == "open"
        assert await decided.alarms() == [("warning", "raised")], "it is told once"

        code, said = await decided.by("--open", "--for", "2s")
        assert code == 0, said
        ended = await decided.until("the decision to end by itself", is_open_=False)
        assert ended["state"] == "alarm"
        await wait_until(lambda: _told(decided, "cleared", 2), "the end to be told")
        assert (await decided.by("--close", "--for", "25h"))[0] == 2


async def _led_since(decided: Decided, before: dict[str, Any]) -> bool:
    newest = await decided.gates.newest()
    return newest is not None and newest["evaluated_at"] > before["valid_until"]


async def _told(decided: Decided, state: str, count: int) -> bool:
    return [told for _, told in await decided.alarms()].count(state) == count


async def test_a_stale_gate_is_opened_only_by_those_who_say_so(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1, session_seconds=6) as sluice:
        views = await leaking(sluice)
        sluice.gates()
        api = sluice.api()
        decided = Decided(sluice, api)
        await decided.gates.until("alarm")
        await api.ready()
        assert (await decided.by("--open", "--for", "1h"))[0] == 0
        await decided.until("the gate to be open", is_open_=True)
        views.kill()
        await decided.gates.until("stale")
        await decided.until("the gate to be closed", is_open_=False)

        async def refused() -> bool:
            code, said = await decided.by("--open", "--for", "1h")
            return code == 2 and "even_stale" in said

        await wait_until(refused, "the api to know that it is stale", seconds=60)
        assert (await decided.by("--open", "--for", "1h", "--even-stale"))[0] == 0
        found = await decided.until("the gate to be open while stale", is_open_=True)
        assert (found["state"], found["override_even_stale"]) == ("stale", True)
        assert (await decided.by("--close", "--for", "1h"))[0] == 0
        await decided.until("the gate to be closed", is_open_=False)
        assert (await decided.by("--end"))[0] == 0
        await wait_until(lambda: _told(decided, "cleared", 3), "the end to be told")
        assert (await decided.gates.newest() or {})["override"] is None


async def test_only_operators_decide_and_only_of_gates_that_they_may_see(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    names = ("olga", "ben", "paula")
    lines = [f"{name},{hashlib.sha256(name.encode()).hexdigest()}" for name in names]
    files = {
        "tokens_file": "\n".join(lines), "city_scope_file": "olga,london\nben,london\npaula,paris\n",
        "operators_file": "# on call\nolga\npaula\n",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await leaking(sluice)
        sluice.gates()
        settings: dict[str, Any] = {name: tmp_path / name for name in files}
        api = sluice.api(auth="tokens", **settings)
        await GateTopics(sluice.settings).until("alarm")
        await api.ready()
        body = {
            "key": {"city": "london", "currency": "GBP"}, "decision": "open", "reason": "x", "seconds": 60,
            "by": "somebody else",
        }  # fmt: skip

        async def post(who: str, **changes: Any) -> tuple[int, dict[str, Any]]:
            headers = {"authorization": f"Bearer {who}", "content-type": "application/json"}
            text = json.dumps({**body, **changes})
            async with httpx.AsyncClient() as client:
                answer = await client.post(
                    await api.url("/v1/gates/recon/override"), content=text, headers=headers
                )
            return answer.status_code, answer.json()

        assert (await post("ben"))[0] == 403
        assert (await post("nobody"))[0] == 401
        assert (await post("paula"))[0] == 404, "she may not see London"
        status, made = await post("olga")
        assert (status, made["by"]) == (200, "olga")
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"seconds": 0}, "seconds"), ({"decision": "ajar"}, "decision"), ({"reason": ""}, "reason"),
            ({"key": {"city": "london"}}, "key"), ({"more": 1}, "more"), ({"seconds": 86_401}, "seconds"),
        ]  # fmt: skip
        for changes, parameter in wrong:
            status, said = await post("olga", **changes)
            assert (status, said["parameter"]) == (400, parameter)
        (tmp_path / "operators_file").write_text("# nobody\n")

        async def taken_back() -> bool:
            return (await post("olga"))[0] == 403

        await wait_until(taken_back, "the role to be taken back")
