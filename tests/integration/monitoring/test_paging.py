"""The rules, in Prometheus and Alertmanager themselves, of workers that are killed: who is told, and of what.

Windows, `for` and pauses are a fortieth of the committed ones (`time_scale`).
"""

from __future__ import annotations

from typing import Any

import pytest

from streams.embedded.config import free_port
from streams.kafka import topics
from streams.monitoring.objectives import STALE
from streams.monitoring.options import Options
from tests.support.gates import GateTopics, payment
from tests.support.kafka import wait_until
from tests.support.processes import Role, Sluice
from tests.support.prometheus import Monitoring, Receiver, needs_amtool, needs_promtool
from tests.support.sending import produce_all

QUIET = f'{STALE} == 0 unless on () ALERTS{{severity="critical", alertstate="firing"}}'
FOLLOWS = ("SluiceGateStale", "SluiceFreshnessBurnsFast")
"""What also fires when no views worker runs."""


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"partitions": 2}


def started(sluice: Sluice) -> tuple[list[tuple[str, int]], list[Role]]:
    """All roles' ports, and the views workers."""
    ports = [("views", free_port()), ("views", free_port()), ("gates", free_port()), ("api", free_port())]
    views = [sluice.worker(f"views-{n}", metrics_port=ports[n][1], instance=f"views-{n}") for n in range(2)]
    sluice.gates(metrics_port=ports[2][1])
    sluice.api(http_port=ports[3][1])
    return ports, views


def named(pages: list[dict[str, Any]], status: str) -> list[str]:
    """The alerts of a status that pages told of."""
    return [one["labels"]["alertname"] for page in pages for one in page["alerts"] if one["status"] == status]


@pytest.mark.long
@needs_promtool
@needs_amtool
async def test_killed_workers_are_one_page_that_ends_when_they_are_back(sluice: Sluice) -> None:
    await topics.create(sluice.settings)
    ports, views = started(sluice)
    for partition in range(2):
        charge = payment("charge.succeeded", 1, f"c{partition}", partition=partition)
        await produce_all(",".join(sluice.settings.kafka), sluice.raw_topic, [charge])
    for worker in views:
        await worker.ready()  # joining makes gates stale for a moment
    await GateTopics(sluice.settings).until("ok")
    with Receiver() as receiver:
        options = Options.load([
            ("time_scale", "0.025"), ("roles", "views,gates,api"), ("burn_least_minutes", "4"),
            ("page_url", receiver.url("/page")), ("ticket_url", receiver.url("/ticket")),
        ])  # fmt: skip
        monitoring = Monitoring(sluice, ports, options)
        await monitoring.start(alerting=True)
        await wait_until(lambda: monitoring.query(QUIET), "nothing to page for", seconds=60)
        receiver.told.clear()

        for worker in views:
            worker.kill()

        async def inhibited() -> bool:
            now = await monitoring.alerts()
            return all(now.get(name) for name in FOLLOWS)

        await wait_until(lambda: receiver.of("/page"), "a page")
        await wait_until(inhibited, f"{FOLLOWS} to fire, inhibited", seconds=60)
        told_down(receiver.of("/page"))
        for worker in views:
            worker.start()

        def ended() -> bool:
            return bool(about_views(receiver)[-1]["status"] == "resolved")

        await wait_until(ended, "the page to be resolved", seconds=60)
        pages = about_views(receiver)
        assert set(named(pages, "firing") + named(pages, "resolved")) == {"SluiceWorkerDown"}
        now = await monitoring.alerts()
        assert now["SluiceFreshnessBurns"], "it looks half an hour back, and would page for what is over"


def about_views(receiver: Receiver) -> list[dict[str, Any]]:
    """Gates may be stale for longer than a fortieth of what is forgiven: recovery is as slow as ever."""
    return [page for page in receiver.of("/page") if page["groupLabels"]["role"] == "views"]


def told_down(pages: list[dict[str, Any]]) -> None:
    """One group has both workers, and says what to open."""
    assert set(named(pages, "firing")) == {"SluiceWorkerDown"}
    groups = {tuple(sorted(page["groupLabels"].items())) for page in pages}
    assert groups == {(("role", "views"), ("severity", "critical"))}
    assert len(pages[-1]["alerts"]) == 2
    assert pages[-1]["commonAnnotations"]["runbook"] == "docs/runbooks/worker-down.md"
