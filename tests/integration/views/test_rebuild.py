"""A view whose declaration changes keeps its past: the former one answers until the new one is whole."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from tests.oracle.load import Load, Mix
from tests.support.bronze_equality import hold_views
from tests.support.bronze_rows import Bronze
from tests.support.bronze_topic import until_covered
from tests.support.feed import FeedWatcher
from tests.support.former import former_release
from tests.support.processes import Role, Sluice
from tests.support.recreate import delete_records
from tests.support.sending import produce_all

SHORT = {"partitions": 4, "pane_minutes": 120, "pane_hours": 5, "dedupe_seconds": 900}
OF_EACH_KIND = (
    "ops_recon_variance", "kpi_gmv", "kpi_funnel", "ops_quarantine", "ops_payout_backlog", "exp_metric_cuped",
)  # fmt: skip
pytestmark = pytest.mark.timeout(300)  # ten rebuilds, one after the other
EVER = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


async def answer(api: Role, view: str) -> dict[str, Any]:
    response = await api.get(f"/v1/views/{view}", **EVER)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_the_former_definition_answers_until_the_new_one_has_all(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    load = Load(23, int(time.time() * 1000) - 48 * 3_600_000, Mix(milliseconds=2500))
    with Sluice(tmp_path, kafka.bootstrap, prefix, **SHORT) as sluice:
        await topics.create(sluice.settings)
        raw, bootstrap = sluice.raw_topic, kafka.bootstrap
        this, sluice.release = sluice.release, former_release(tmp_path / "former", "kpi_gmv")
        former = sluice.worker("former")
        async with FeedWatcher(sluice.settings) as feed:
            sluice.release = this
            bronze, api = sluice.bronze(), sluice.api()
            await produce_all(bootstrap, raw, load.take(8_000))
            await feed.caught_up()
            await until_covered(sluice, sluice.store, former, bronze)
            assert await former.terminate() == 0

            worker = sluice.worker()
            await produce_all(bootstrap, raw, load.take(4_000))
            await feed.caught_up()
            told = await answer(api, "kpi_gmv")
            assert told["since"] is None
            (warning,) = told["warnings"]
            assert "a former definition of kpi_gmv answers" in warning
            assert "booking_minor_p50" not in told["rows"][0]

            rebuild = sluice.started("rebuild", "views", "rebuild", "kpi_gmv", "--json")
            await produce_all(bootstrap, raw, load.take(1_000))
            assert await rebuild.end(60) == 0, rebuild.output()
            await produce_all(bootstrap, raw, load.take(1_000))
            await feed.caught_up()
            await until_covered(sluice, sluice.store, worker, bronze)
        told = await answer(api, "kpi_gmv")
        assert told["since"] is None
        assert "warnings" not in told
        await hold_views(sluice, api, Bronze(tmp_path / "store"))


async def test_a_view_that_began_late_is_filled_in_from_kafka_and_from_what_bronze_has(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    """Without Bronze it is from Kafka alone; where Kafka has deleted what Bronze has not, it is refused, or
    partial; with Bronze it is whole. Nobody owns the partitions then: no worker runs."""
    load = Load(29, int(time.time() * 1000) - 48 * 3_600_000, Mix(milliseconds=2500))
    with Sluice(tmp_path, kafka.bootstrap, prefix, views=",".join(OF_EACH_KIND), **SHORT) as sluice:
        await topics.create(sluice.settings)
        raw, bootstrap = sluice.raw_topic, kafka.bootstrap
        async with FeedWatcher(sluice.settings) as feed:
            one, bronze = sluice.worker("one", views="ops_recon_variance"), sluice.bronze()
            await produce_all(bootstrap, raw, load.take(9_000))
            await feed.caught_up()
            await one.terminate()
            worker, api = sluice.worker(), sluice.api()
            await produce_all(bootstrap, raw, load.take(1_000))
            await feed.caught_up()
            await until_covered(sluice, sluice.store, worker, bronze)
            await worker.terminate()
        assert (await answer(api, "kpi_gmv"))["since"] is not None

        empty = f"file://{tmp_path}/empty"
        done = rebuilt(sluice, "kpi_funnel", bronze_url=empty)
        assert [one["since"] for one in done] == [None] * 4
        await delete_records(bootstrap, raw, 2_000)
        refused = sluice.run("views", "rebuild", "kpi_gmv", bronze_url=empty)
        assert refused.returncode == 1
        assert f"{raw}-0: the offsets 0 to 1999 are neither in Bronze nor in Kafka any more" in refused.stderr
        done = rebuilt(sluice, "kpi_gmv", "--from", "2020-01-01", bronze_url=empty)
        since = done[0]["since"]
        assert [one["since"] for one in done] == [since, None, None, None]
        assert since is not None
        assert (await answer(api, "kpi_gmv"))["since"] == since

        for view in OF_EACH_KIND:
            rebuilt(sluice, view)
        assert all(one["records"] == 0 for one in rebuilt(sluice, "kpi_gmv")), "nothing is left to do"
        sluice.worker("again")
        await hold_views(sluice, api, Bronze(tmp_path / "store"), OF_EACH_KIND)
        assert (await answer(api, "kpi_gmv"))["since"] is None


def rebuilt(sluice: Sluice, *arguments: str, **settings: Any) -> list[dict[str, Any]]:
    done = sluice.run("views", "rebuild", *arguments, "--json", **settings)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["partitions"]
    return found
