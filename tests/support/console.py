"""What the console shows in its tests: a running pipeline, its market, and two analysts."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support.gates import payment
from tests.support.kafka import Raw, produce, wait_until
from tests.support.patience import PATIENCE
from tests.support.processes import Role, Sluice

CITIES = ("berlin", "london", "stockholm")
ANALYSTS = {"ben": ("*",), "ana": ("london",)}
INCIDENTS = "recon-leak@0s-200s,dispute-wave@0s-200s,payout-stall@150s-200s"
EVENTS = 8_000
MARKET = (
    *("simulate", "--rate", "0", "--count", str(EVENTS), "--density", "40", "--flat", "--bad", "0.03"),
    *("--cities", ",".join(CITIES), "--scenario", INCIDENTS),
)
"""Three minutes of a market with many disputes. Its payouts are too high, which closes the gates; the last
ones stay open."""
SESSION_SECONDS = 6
HOUR_SECONDS = 3600
MONEY = {"JPY": 0, "HUF": 2, "KWD": 3}
"""Currencies of whose minor units browsers think otherwise, or that are no hundredths: their decimals."""
CAMPAIGNS = ("summer,sale", "summer", r" half\price\, ")
"""As a producer may name them: what is asked of the api has commas and backslashes of its own."""


def odd_events() -> list[Raw]:
    """Bookings of those currencies, events of those campaigns, a payout that is two hours old, whose gate has
    nothing to show of the last one, and payouts that stay open, of which the market may have none."""
    now = time.time()
    bookings = [
        _event(
            "booking.confirmed",
            f"odd-{currency}",
            {
                **{f"{noun}_id": "odd" for noun in ("booking", "user", "provider")},
                "amount_minor": 1_234_567,
                "currency": currency,
            },
        )
        for currency in MONEY
    ]
    impressions = [
        _event("promo.impression", f"odd-{at}-{number}", {"campaign_id": campaign, "session_id": "s"})
        for at, campaign in enumerate(CAMPAIGNS)
        for number in range(at + 1)
    ]
    payout = payment("payout.paid", 50_000, "odd", city="berlin", currency="JPY", at=now - 2 * HOUR_SECONDS)
    due = {"provider_id": "p", "amount_minor": 5_000, "currency": "EUR", "due_at": "2100-01-01T00:00:00Z"}
    opened = [_event("payout.initiated", one, {"payout_id": one, **due}) for one in ("odd-1", "odd-2")]
    return [*bookings, *impressions, payout, *opened]


def _event(name: str, event_id: str, payload: dict[str, Any]) -> Raw:
    at = datetime.now(UTC).isoformat()
    envelope = {
        "event_id": event_id,
        "event": name,
        "version": 1,
        "occurred_at": at,
        "source": "test",
        "city": "berlin",
        "payload": payload,
    }
    return Raw(json.dumps(envelope).encode(), event_id.encode())


def token_of(analyst: str) -> str:
    return f"{analyst}-token"


def access_files(folder: Path) -> dict[str, str]:
    """The settings of an api that knows the analysts."""
    digests = {name: hashlib.sha256(token_of(name).encode()).hexdigest() for name in ANALYSTS}
    (folder / "tokens").write_text("".join(f"{name},{digest}\n" for name, digest in digests.items()))
    scopes = [f"{name},{city}\n" for name, cities in ANALYSTS.items() for city in cities]
    (folder / "scopes").write_text("".join(scopes))
    return {
        "auth": "tokens",
        "tokens_file": str(folder / "tokens"),
        "city_scope_file": str(folder / "scopes"),
    }


class Pipeline:
    """Workers, gates and an api that has read all of the market."""

    def __init__(self, sluice: Sluice, worker: Role, api: Role, url: str) -> None:
        self.sluice = sluice
        self.worker = worker
        self.api = api
        self.url = url

    def get(self, path: str, analyst: str = "ben", **params: str) -> httpx.Response:
        """The api's answer, asked beside the page."""
        headers = {"authorization": f"Bearer {token_of(analyst)}"}
        answer = httpx.get(self.url + path, params=params, headers=headers, timeout=20 * PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer

    def json(self, path: str, analyst: str = "ben", **params: str) -> Any:
        return self.get(path, analyst, **params).json()


@contextmanager
def running(folder: Path, bootstrap: str, prefix: str) -> Iterator[Pipeline]:
    """All roles, once the market is in the views and a gate is in alarm."""
    with Sluice(folder, bootstrap, prefix, partitions=2, session_seconds=SESSION_SECONDS) as sluice:
        assert sluice.run("topics", "create").returncode == 0
        worker, api = sluice.worker(), sluice.api(**access_files(folder))
        sluice.gates()
        sluice.bronze()
        odd = odd_events()
        asyncio.run(produce(bootstrap, sluice.raw_topic, odd))
        sent = sluice.run(*MARKET)
        assert sent.returncode == 0, sent.stderr
        pipeline = Pipeline(sluice, worker, api, asyncio.run(_url(api)))
        asyncio.run(
            wait_until(
                lambda: _settled(pipeline, EVENTS + len(odd)), "the market in views and gates", seconds=60
            )
        )
        yield pipeline


async def _url(api: Role) -> str:
    await api.ready()
    return await api.url("")


def _settled(pipeline: Pipeline, events: int) -> bool:
    partitions = pipeline.json("/v1/pipeline")["rows"]
    folded = sum(row["checkpoint_offset"] or 0 for row in partitions)
    caught_up = all(row["lag_records"] == 0 for row in partitions)
    return folded >= events and caught_up and pipeline.json("/v1/alarms", state="raised")["open"] > 0
