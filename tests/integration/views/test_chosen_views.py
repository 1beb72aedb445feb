"""SLUICE_VIEWS on a real Kafka: what is chosen equals the oracle, the rest is deleted, and comes back."""

from __future__ import annotations

import time
from pathlib import Path

from streams.embedded.broker import EmbeddedKafka
from streams.kafka import topics
from streams.settings import Settings
from tables.keys import (
    EntityKey,
    ExperimentKey,
    WindowedKey,
    parse_key,
)
from tables.views import VIEWS
from tests.oracle.load import Load, Mix
from tests.support.feed import FeedWatcher, ask, exact, feed_reader, read_oracle, view_differences
from tests.support.kafka import read_all
from tests.support.processes import Sluice
from tests.support.sending import produce_all

ONE = "ops_recon_variance"
EVER = {"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}


async def views_in(settings: Settings) -> set[str]:
    """The views that the feed still has records of, once it is compacted."""
    last: dict[tuple[int, bytes], bytes | None] = {}
    for read in await read_all(",".join(settings.kafka), settings.topic("views.feed")):
        assert read.key is not None
        last[read.partition, read.key] = read.value
    keys = [parse_key(key) for (_, key), value in last.items() if value is not None]
    return {key.view for key in keys if isinstance(key, EntityKey | ExperimentKey | WindowedKey)}


async def test_a_view_that_is_not_chosen_is_deleted_and_computed_anew_later(
    kafka: EmbeddedKafka, prefix: str, tmp_path: Path
) -> None:
    load = Load(5, int(time.time() * 1000) - 3_600_000, Mix(milliseconds=300))
    with Sluice(tmp_path, kafka.bootstrap, prefix) as sluice:
        settings = sluice.settings
        await topics.create(settings)
        await produce_all(kafka.bootstrap, sluice.raw_topic, load.take(3_000))
        async with FeedWatcher(settings) as feed:
            worker = sluice.worker()
            await feed.caught_up()
            await exact(sluice)
            assert await views_in(settings) == set(VIEWS)
            await worker.terminate()

            await produce_all(kafka.bootstrap, sluice.raw_topic, load.take(1_000))
            worker, api = sluice.worker("one", views=ONE), sluice.api(views=ONE)
            await feed.caught_up()
            await api.ready()
            reader = await feed_reader(settings)
            (why, *_) = ask(reader, settings, "kpi_gmv", EVER)["incomplete_because"]
            assert "its worker does not compute kpi_gmv" in why
            assert await views_in(settings) == {ONE}
            answer = (await api.get(f"/v1/views/{ONE}", **EVER)).json()
            oracle = await read_oracle(settings, tmp_path)
            assert answer["rows"] == ask(reader, settings, ONE, EVER)["rows"]
            assert view_differences(oracle, {ONE: answer}) == []
            assert [view["name"] for view in (await api.get("/v1/views")).json()["views"]] == [ONE]
            refused = await api.get("/v1/views/kpi_gmv")
            assert refused.status_code == 404
            assert "SLUICE_VIEWS" in refused.json()["detail"]
            await worker.terminate()

            await produce_all(kafka.bootstrap, sluice.raw_topic, load.take(1_000))
            sluice.worker("all")
            await feed.caught_up()
            reader = await feed_reader(settings)
            oracle = await read_oracle(settings, tmp_path)
            assert view_differences(oracle, {ONE: ask(reader, settings, ONE, EVER)}) == []
            again = ask(reader, settings, "kpi_funnel", EVER)
            assert again["rows"]
            assert all("kpi_funnel began at offset" in why for why in again["incomplete_because"])
            assert len(again["incomplete_because"]) == len(again["partitions"])
            assert await views_in(settings) == set(VIEWS)


def test_gates_without_their_view_are_refused_at_the_start(tmp_path: Path) -> None:
    with Sluice(tmp_path, "127.0.0.1:1", "") as sluice:
        for role in ("gates", "all"):
            done = sluice.run("worker", role, views="kpi_gmv")
            assert done.returncode == 2, done.stderr
            assert f"SLUICE_VIEWS='kpi_gmv' is not allowed: it must be all, or with {ONE}" in done.stderr
