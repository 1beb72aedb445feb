"""Gates of other views on a real Kafka: off until a limit is set, judged, published and shown as recon is."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tables.gates.records import is_open
from tests.support.gates import GateTopics
from tests.support.kafka import Raw, wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

LIMITS = """
[recon]
settlement_hours = 1
[[recon.settlement]]
city = "london"
hours = 2

[payout_backlog]
overdue = { warn = 0, alarm = 2 }
oldest_seconds = { alarm = 864000 }

[quarantine_share]
bad_share = { warn = 0.1, alarm = 0.3 }
minimum = 5

[promo_overspend]
spend_ratio = { warn = 0.9, alarm = 1 }

[experiment_srm]
srm_p = { alarm = 0.001 }
"""
OPEN = {"payout_backlog": "payout_backlog/london|GBP", "promo_overspend": "promo_overspend/summer|GBP"}


def event(name: str, number: int | str, payload: dict[str, Any], city: str | None = "london") -> Raw:
    now = datetime.now(UTC)
    envelope = {
        "event_id": f"{name}-{number}", "event": name, "version": 1, "occurred_at": now.isoformat(),
        "source": "shop", "city": city, "payload": payload,
    }  # fmt: skip
    return Raw(json.dumps(envelope).encode(), str(number).encode(), None, 0)


def payout(number: int, name: str = "payout.initiated", **more: Any) -> Raw:
    due = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    payload = {"payout_id": f"p-{number}", "provider_id": "x", "amount_minor": 100, "currency": "GBP"}
    return event(name, number, {**payload, **more} | ({"due_at": due} if name == "payout.initiated" else {}))


def spent(number: int, amount: int) -> Raw:
    payload = {"campaign_id": "summer", "amount_minor": amount, "currency": "GBP"}
    return event("promo.spend", number, payload)


def exposed(number: int, variant: str) -> Raw:
    payload = {"exp_key": "search", "variant": variant, "user_id": f"u-{number}", "covariate": None}
    return event("experiment.exposure", number, payload)


async def newest(sluice: Sluice, key: str) -> dict[str, Any] | None:
    found = None
    for read in await GateTopics(sluice.settings).reads():
        if read.key == key.encode():
            found = None if read.value is None else json.loads(read.value)
    return found


async def until(sluice: Sluice, key: str, state: str | None) -> dict[str, Any]:
    found: dict[str, Any] | None = {}

    async def there() -> bool:
        nonlocal found
        found = await newest(sluice, key)
        return (found and found["state"]) == state

    await wait_until(there, f"{key} to be {state}", seconds=60)
    return found or {}


async def test_every_declared_gate_closes_and_is_shown(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    limits = tmp_path / "gates.toml"
    limits.write_text(LIMITS)
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=1) as sluice:
        await topics.create(sluice.settings)
        views, api = sluice.worker(), sluice.api()
        first = sluice.gates("with-limits", gates_file=limits)
        budget = event("promo.budget", 0, {"campaign_id": "summer", "amount_minor": 1000, "currency": "GBP"})
        good = [exposed(number, "a" if number % 2 else "b") for number in range(20)]
        await send(sluice, [payout(1), payout(2), budget, spent(1, 950), *good])
        backlog = await until(sluice, OPEN["payout_backlog"], "warn")
        assert (backlog["measure"], backlog["value"], backlog["warn_at"]) == ("overdue", 2, 0.0)
        assert (backlog["key"], backlog["variance_minor"]) == ({"city": "london", "currency": "GBP"}, None)
        assert is_open(backlog, time.time())
        campaign = await until(sluice, OPEN["promo_overspend"], "warn")
        assert campaign["reason"] == "95% of the budget is spent, above 90%, and not above 100%"
        assert (await until(sluice, "experiment_srm/search", "ok"))["city"] is None
        assert (await until(sluice, "quarantine_share/shop", "ok"))["value"] == 0

        bad = [Raw(json.dumps({"event": "x", "source": "shop"}).encode(), None, None, 0) for _ in range(20)]
        more = [exposed(number, "a") for number in range(100, 160)]
        await send(sluice, [payout(3), spent(2, 51), *bad, *more])
        assert (await until(sluice, OPEN["payout_backlog"], "alarm"))["reason"] == (
            "3 payouts are overdue, above 2"
        )
        assert not is_open(await until(sluice, OPEN["promo_overspend"], "alarm"), time.time())
        assert (await until(sluice, "experiment_srm/search", "alarm"))["value"] < 0.001
        await everything_is_shown(sluice, api, first)

        paid = [payout(number, "payout.paid") for number in (1, 2, 3)]
        await send(sluice, paid)
        await until(sluice, OPEN["payout_backlog"], "ok")
        assert await first.terminate() == 0
        sluice.gates("recon-alone")  # the others are off now: their records end
        await until(sluice, OPEN["promo_overspend"], None)
        assert await newest(sluice, "experiment_srm/search") is None
        assert await views.terminate() == 0


async def everything_is_shown(sluice: Sluice, api: Role, worker: Role) -> None:
    await api.ready()

    async def states() -> dict[str, dict[str, int]]:
        listed = (await api.get("/v1/gates")).json()["gates"]
        return {gate["name"]: {at: n for at, n in gate["states"].items() if n} for gate in listed}

    async def shown() -> bool:
        found = await states()
        return found["payout_backlog"] == {"alarm": 1} and found["promo_overspend"] == {"alarm": 1}

    await wait_until(shown, "the api to show the gates")
    (row,) = (await api.get("/v1/gates/promo_overspend", campaign_id="summer")).json()["rows"]
    assert (row["campaign_id"], row["currency"], row["state"]) == ("summer", "GBP", "alarm")
    assert "variance_minor" not in row
    raised = {a["subject"] for a in (await api.get("/v1/alarms", state="raised")).json()["rows"]}
    assert {OPEN["payout_backlog"], OPEN["promo_overspend"], "experiment_srm/search"} <= raised
    text = (await worker.get("/metrics")).text
    assert 'sluice_gate_state{currency="GBP",gate="payout_backlog"} 2.0' in text
    assert 'sluice_gates{gate="experiment_srm",state="alarm"} 1.0' in text
    assert "summer" not in text


async def send(sluice: Sluice, raws: list[Raw]) -> None:
    await produce_all(",".join(sluice.settings.kafka), sluice.raw_topic, raws)
