"""Every panel of the committed dashboards has data, of a Prometheus that scrapes all roles or of the api."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from streams.embedded.config import free_port
from streams.kafka import topics
from streams.monitoring.options import Options
from tests.support.kafka import wait_until
from tests.support.paths import ROOT
from tests.support.processes import Sluice
from tests.support.prometheus import Monitoring, needs_promtool

FILES = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"partitions": 1, "bronze_max_seconds": 1, "budget_puts": 1}


def targets() -> Iterator[tuple[str, dict[str, Any]]]:
    """What each panel asks."""
    for file in FILES:
        for panel in json.loads(file.read_text("utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.stem}: {panel['title']}", target


def started(sluice: Sluice) -> tuple[list[tuple[str, int]], str]:
    """All roles, with events that go on; their ports, and the api's URL."""
    ports = {role: free_port() for role in ("views", "bronze", "gates", "audit", "api", "ingest")}
    sluice.worker(metrics_port=ports["views"])
    sluice.bronze(metrics_port=ports["bronze"])
    sluice.gates(metrics_port=ports["gates"])
    sluice.api(http_port=ports["api"])
    url = f"http://127.0.0.1:{ports['api']}"
    sluice.started("audit", "worker", "audit", metrics_port=ports["audit"], api_url=url)
    sluice.started("ingest", "ingest", "http", ingest_port=ports["ingest"])
    sluice.started("market", "simulate", "--rate", "100", "--flat", "--bad", "0.05")
    return list(ports.items()), url


@needs_promtool
async def test_every_panel_has_data(sluice: Sluice) -> None:
    await topics.create(sluice.settings)
    # Few charges are disputed but in a wave.
    made = ["--rate", "0", "--density", "20", "--count", "4000", "--seed", "3", "--scenario", "dispute-wave"]
    market = sluice.run("simulate", *made)
    assert market.returncode == 0, market.stderr
    ports, url = started(sluice)
    monitoring = Monitoring(sluice, ports, Options.load([("time_scale", "0.05")]))
    await monitoring.start(alerting=False)
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        post = f"http://127.0.0.1:{dict(ports)['ingest']}/v1/events"
        empty = list(targets())

        async def none_is_empty() -> bool:
            await client.post(post, content=b"{}")
            empty[:] = [(panel, one) for panel, one in empty if not await _has_data(monitoring, client, one)]
            return not empty

        try:
            await wait_until(none_is_empty, "data in every panel", seconds=30)
        except AssertionError as error:
            raise AssertionError(f"{error}: {[panel for panel, _ in empty]}") from None


async def _has_data(monitoring: Monitoring, client: httpx.AsyncClient, target: dict[str, Any]) -> bool:
    if "expr" in target:
        return bool(await monitoring.query(target["expr"].replace("$__rate_interval", "3s")))
    now_ms = int(time.time() * 1000)
    shown = {"${__from}": str(now_ms - 86_400_000), "${__to}": str(now_ms)}  # Grafana's: milliseconds
    params = {one["key"]: shown.get(one["value"], one["value"]) for one in target["url_options"]["params"]}
    answer = await client.get(target["url"], params=params)
    if answer.status_code == 503:
        return False
    assert answer.status_code == 200, f"{answer.url}: {answer.text}"
    rows = answer.json()
    wanted = {column["selector"] for column in target["columns"]}
    assert all(wanted <= row.keys() for row in rows), f"{answer.url}: not in all rows: {wanted}"
    return bool(rows)
