"""A package begun with `sluice new`, installed from its folder: its events and views on a real Kafka."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from streams.cli.main import main
from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.support.bronze_rows import Bronze
from tests.support.kafka import Raw, read_all, wait_until
from tests.support.processes import Role, Sluice
from tests.support.sending import produce_all

NAME, EVENT, VIEW = "gift_cards", "gift_cards.gift_sold", "gift_cards_gifts"
METRIC = re.compile(r'^sluice_events_total\{event="([^"]+)",outcome="([^"]+)"\} (\S+)$', re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that it is installed in, besides Sluice."""
    folder, site = tmp_path_factory.mktemp("begun") / NAME, tmp_path_factory.mktemp("site")
    assert CliRunner().invoke(main, ["new", str(folder)]).exit_code == 0
    subprocess.run(
        [Path(sys.executable).with_name("uv"), "pip", "install", "--offline", "--no-deps",
         "--no-build-isolation", "--python", sys.executable, "--target", site, folder],
        capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    return site


def gift(number: int, *, name: str = EVENT, amount_minor: int = 50, **envelope: Any) -> Raw:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    payload = {
        "gift_id": f"g{number}", "occasion": "birthday", "amount_minor": amount_minor, "currency": "EUR",
    }  # fmt: skip
    record = {
        "event_id": f"e{number}", "event": name, "version": 1, "occurred_at": now, "source": "test",
        "city": "oslo", "payload": payload, **envelope,
    }  # fmt: skip
    return Raw(json.dumps(record).encode(), partition=number % 2)


async def counted(workers: Role, processes: int) -> Counter[tuple[str, str]]:
    """sluice_events_total of all processes of a supervisor."""
    await workers.says("(?s)" + r"metrics on http://([\w.]+:\d+).*" * processes)
    found: Counter[tuple[str, str]] = Counter()
    async with httpx.AsyncClient() as client:
        for address in re.findall(r"metrics on http://([\w.]+:\d+)", workers.output()):
            page = (await client.get(f"http://{address}/metrics")).text
            assert 'sluice_extension_info{extension="gift_cards",version="0.1.0"} 1.0' in page
            found.update({(event, outcome): int(float(n)) for event, outcome, n in METRIC.findall(page)})
    return found


async def rows_of(api: Role, view: str = VIEW) -> dict[str, Any]:
    answer: dict[str, Any] = (await api.get(f"/v1/views/{view}")).json()
    return answer


async def test_its_events_and_views_are_like_ours(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, site: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, extensions=NAME, partitions=2) as sluice:
        sluice.packages.append(site)
        await topics.create(sluice.settings)
        good, bad = [gift(number) for number in range(20)], gift(20, amount_minor=-1)
        await produce_all(kafka.bootstrap, sluice.raw_topic, [*good, good[3], bad])
        workers = sluice.started("views", "worker", "views", "--processes", "2")
        sluice.bronze()
        api, plain = sluice.api(), sluice.api("plain", extensions="")
        await api.ready()
        await plain.ready()

        async def folded() -> bool:
            answer = await rows_of(api)
            return bool(answer["complete"] and answer["rows"] and answer["rows"][0]["sold"] == 20)

        await wait_until(folded, "all gifts to be in the view", seconds=40)
        (row,) = (await rows_of(api))["rows"]
        assert row == {
            "occasion": "birthday", "city": "oslo", "currency": "EUR", "sold": 20, "sold_minor": 1000,
            "mean_minor": 50.0, "sold_minor_p95": 50,
        }  # fmt: skip
        listed = (await api.get("/v1/views")).json()["views"]
        assert [view["name"] for view in listed][-1] == VIEW
        described = (await api.get("/openapi.json")).json()
        assert {f"/v1/views/{VIEW}", f"/v1/stream/{VIEW}"} <= described["paths"].keys()
        shown = sluice.run("views", VIEW, "--api", await api.url(""))
        assert "birthday" in shown.stdout, shown.stderr

        # A reader without it passes its records over, and answers what it has.
        assert (await rows_of(plain, "kpi_gmv"))["complete"]
        assert (await plain.get(f"/v1/views/{VIEW}")).status_code == 404

        (refused,) = await read_all(kafka.bootstrap, sluice.settings.topic("events.quarantine"))
        assert dict(refused.headers)["field"] == b"amount_minor"

        async def in_bronze() -> bool:
            stored = Bronze(tmp_path / "store")
            return len(stored.records[sluice.raw_topic]) == 22 and len(stored.bad) == 1

        await wait_until(in_bronze, "all records to be in Bronze", seconds=40)
        assert [path.name for path in (tmp_path / "store").glob("event=*")] == [f"event={EVENT}"]
        assert await counted(workers, 2) == {
            (EVENT, "accepted"): 20, (EVENT, "duplicate"): 1, (EVENT, "quarantined"): 1,
        }  # fmt: skip


async def test_a_worker_without_it_is_seen_and_what_it_refused_can_be_sent_again(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path, site: Path
) -> None:
    with Sluice(tmp_path, kafka.bootstrap, prefix, partitions=2) as sluice:
        sluice.packages.append(site)
        await topics.create(sluice.settings)
        worker, api = sluice.worker("without"), sluice.api(extensions="installed")
        await api.ready()
        await produce_all(kafka.bootstrap, sluice.raw_topic, [gift(0), gift(1)])
        quarantine = sluice.settings.topic("events.quarantine")

        async def refused() -> bool:
            reasons = [dict(one.headers)["reason"] for one in await read_all(kafka.bootstrap, quarantine)]
            return reasons == [b"unknown_event", b"unknown_event"]

        await wait_until(refused, "the events to be quarantined", seconds=40)

        async def seen() -> bool:
            because = (await rows_of(api)).get("incomplete_because", [])
            return any(f"its worker does not compute {VIEW}" in why for why in because)

        await wait_until(seen, "the answer to say so", seconds=40)
        assert (await rows_of(api))["rows"] == []
        await worker.terminate()

        sluice.worker("with", extensions="installed")
        again = sluice.run("quarantine", "replay", "--reason", "unknown_event", "--json")
        assert again.returncode == 0, again.stderr

        async def folded() -> bool:
            answer = await rows_of(api)
            return bool(answer["complete"] and [row["sold"] for row in answer["rows"]] == [2])

        await wait_until(folded, "the events to be in the view", seconds=40)
