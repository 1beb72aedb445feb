"""Analysts of cities ask a running pipeline: every route, in every form, and as their cities change."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.client import ApiRefusalError, SluiceClient
from streams.embedded.broker import EmbeddedKafka
from tables.views import VIEWS
from tests.support.kafka import wait_until
from tests.support.patience import PATIENCE
from tests.support.processes import Role, Sluice

CITIES = ("london", "paris", "secretville")
ANALYSTS = {"ana": ("london", "paris"), "ben": ("*",), "cleo": ()}


def digest(analyst: str) -> str:
    return hashlib.sha256(f"{analyst}-token".encode()).hexdigest()


def scopes(of: dict[str, tuple[str, ...]]) -> str:
    return "".join(f"{analyst},{city}\n" for analyst, cities in of.items() for city in cities)


def envelopes() -> list[dict[str, Any]]:
    """Events of three cities, and of one booking that moves from london to secretville."""
    now = time.time()

    def at(seconds: float) -> str:
        return datetime.fromtimestamp(now - seconds, UTC).isoformat()

    found = []
    for number, city in enumerate(CITIES):
        money = {"amount_minor": 20_000 * (number + 1), "currency": "GBP"}
        payloads = {
            "charge.succeeded": {"charge_id": f"c-{city}", "booking_id": f"b-{city}", **money},
            "payout.initiated": {"payout_id": f"p-{city}", "provider_id": "x", "due_at": at(3600), **money},
            "search.impression": {"session_id": "s", "listing_id": "l", "position": 0},
        }
        found += [
            {
                "event_id": f"{name}-{city}",
                "event": name,
                "city": city,
                "occurred_at": at(60),
                "payload": payload,
            }
            for name, payload in payloads.items()
        ]
    moving = {"booking_id": "moving", "provider_id": "x"}
    requested = {**moving, "user_id": "u", "amount_minor": 5, "currency": "GBP", "accept_by": at(-3600)}
    found += [
        {
            "event_id": "m1",
            "event": "booking.requested",
            "city": "london",
            "occurred_at": at(50),
            "payload": requested,
        },
        {
            "event_id": "m2",
            "event": "booking.accepted",
            "city": "secretville",
            "occurred_at": at(40),
            "payload": moving,
        },
    ]
    return [{"version": 1, "source": "test", **one} for one in found]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tokens").write_text("".join(f"{analyst},{digest(analyst)}\n" for analyst in ANALYSTS))
    (tmp_path / "scopes").write_text(scopes(ANALYSTS))
    (tmp_path / "events.ndjson").write_text("".join(f"{json.dumps(one)}\n" for one in envelopes()))
    return {"tokens_file": str(tmp_path / "tokens"), "city_scope_file": str(tmp_path / "scopes")}


async def asked(api: Role, path: str, analyst: str, **params: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20 * PATIENCE) as client:
        headers = {"authorization": f"Bearer {analyst}-token"}
        return await client.get(await api.url(path), params=params, headers=headers)


async def rows(api: Role, path: str, analyst: str, **params: str) -> list[dict[str, Any]]:
    answer = await asked(api, path, analyst, **params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


async def test_each_analyst_sees_the_cities_of_theirs(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, files: dict[str, str]
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix) as sluice:
        assert sluice.run("topics", "create").returncode == 0
        sluice.worker()
        sluice.gates()
        sluice.bronze()
        api = sluice.api(auth="tokens", http_host="0.0.0.0", stream_seconds="30", **files)
        assert sluice.run("replay", str(tmp_path / "events.ndjson")).returncode == 0

        async def all_there() -> bool:
            answer = await asked(api, "/v1/gates/recon", "ben")
            listed = await asked(api, "/v1/views/ops_payout_backlog", "ben")
            return len(answer.json().get("rows", ())) == len(listed.json()["rows"]) == len(CITIES)

        await wait_until(all_there, "all events", seconds=60)
        await _views(api)
        await _ways_round(api)
        await _commands(sluice, api)
        await _changes(api, tmp_path)
        assert "-token" not in api.output()


async def _views(api: Role) -> None:
    for path in (
        "/v1/views/ops_payout_backlog",
        "/v1/views/ops_recon_variance",
        "/v1/views/kpi_funnel",
        "/v1/gates/recon",
    ):
        seen = {analyst: [row["city"] for row in await rows(api, path, analyst)] for analyst in ANALYSTS}
        assert seen == {"ana": ["london", "paris"], "ben": list(CITIES), "cleo": []}, path
    (total,) = await rows(api, "/v1/views/ops_payout_backlog", "ana", group_by="currency")
    assert total["open_minor"] == 60_000
    found = await rows(api, "/v1/views/ops_payout_backlog/entities", "ana", limit="1")
    assert [row["payout_id"] for row in found] == ["p-london"]
    moving = {
        analyst: [
            (row["city"], row["state"])
            for row in await rows(api, "/v1/views/ops_acceptance_windows/entities", analyst)
        ]
        for analyst in ANALYSTS
    }
    assert moving == {"ana": [("london", "requested")], "ben": [("secretville", "accepted")], "cleo": []}
    assert (await asked(api, "/v1/views/exp_metric_cuped", "ana")).status_code == 403


async def _ways_round(api: Role) -> None:
    """Nothing that is asked otherwise tells of a city that may not be seen."""
    for view in VIEWS.values():
        for path in (f"/v1/views/{view.name}", f"/v1/views/{view.name}/entities"):
            for params in (
                {},
                {"city": "secretville"},
                {"format": "csv"},
                {"format": "flat"},
                {"city": "secretvill"},
            ):
                answer = await asked(api, path, "ana", **params)
                told = answer.text.replace("no such city: secretville", "").replace(
                    "no such city: secretvill", ""
                )
                assert "secretvill" not in told, (path, params)
    for path in ("/v1/views", "/v1/gates/recon", "/v1/alarms", "/v1/pipeline", "/metrics", "/openapi.json"):
        assert "secretville" not in (await asked(api, path, "ana")).text, path


async def _commands(sluice: Sluice, api: Role) -> None:
    url = (await api.url("")).rstrip("/")
    client = SluiceClient(url, "ana-token")
    assert [gate.city for gate in client.gates().rows] == ["london", "paris"]
    (*partitions,) = client.pipeline().rows
    assert {one.worker is not None for one in partitions} == {True}
    assert {one.bronze_lag_records for one in partitions} == {0}
    with pytest.raises(ApiRefusalError):
        SluiceClient(url, "another-token").views()
    (sluice.folder / "token").write_text("ana-token\n")
    shown = sluice.run("views", "ops_payout_backlog", "--api", url, api_token_file=sluice.folder / "token")
    assert shown.returncode == 0, shown.stderr
    assert "london" in shown.stdout
    assert "secretville" not in shown.stdout
    refused = sluice.run("views", "ops_payout_backlog", "--api", url)
    assert refused.returncode == 1
    assert "SLUICE_API_TOKEN_FILE" in refused.stderr


async def _changes(api: Role, tmp_path: Path) -> None:
    """On an open stream too, whatever its pace."""
    headers = {"authorization": "Bearer ana-token"}
    async with (
        httpx.AsyncClient(timeout=30 * PATIENCE) as client,
        client.stream("GET", await api.url("/v1/stream/ops_payout_backlog"), headers=headers) as stream,
    ):
        lines = stream.aiter_lines()

        async def next_cities() -> list[str]:
            async for line in lines:
                if line.startswith("data: "):
                    return [row["city"] for row in json.loads(line[6:])["rows"]]
            raise AssertionError("the stream has ended")

        assert await next_cities() == ["london", "paris"]
        (tmp_path / "scopes").write_text(scopes({**ANALYSTS, "ana": ("secretville",)}))
        while (found := await next_cities()) == ["london", "paris"]:
            pass
        assert found == ["secretville"]
        (tmp_path / "tokens").write_text(f"ben,{digest('ben')}\n")
        assert "event: error" in [line async for line in lines]
