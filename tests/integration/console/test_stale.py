"""A worker that is killed, an api that says nothing: the console says so, and when it is whole again."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import expect

from streams.embedded.broker import EmbeddedKafka
from tests.support.browser import chromium, needs_chromium
from tests.support.console import SESSION_SECONDS, running, shown
from tests.support.patience import PATIENCE

SHOWN_SECONDS = 2

pytestmark = [needs_chromium, pytest.mark.timeout(600)]


def test_a_killed_worker_shows_and_so_does_its_return(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    prefix = f"t{uuid.uuid4().hex[:10]}-"
    with (
        running(tmp_path, kafka.bootstrap, prefix) as pipeline,
        chromium() as browser,
        shown(browser, pipeline, "/") as page,
    ):
        tile = page.locator("[data-tile=kpi_gmv-0]")
        expect(tile.locator("[data-trust=live]")).to_be_visible()
        before = tile.evaluate("one => getComputedStyle(one).borderTopStyle")
        pipeline.worker.kill()
        bound_ms = 1000 * (SESSION_SECONDS + SHOWN_SECONDS) * PATIENCE
        stale = tile.locator("[data-trust=stale]")
        expect(stale).to_contain_text("Stale or incomplete", timeout=bound_ms)
        expect(tile.locator(".why")).to_contain_text(f"no worker has reported on it for {SESSION_SECONDS} s")
        assert tile.evaluate("one => getComputedStyle(one).borderTopStyle") != before, (
            "not by its colour alone"
        )
        expect(page.get_by_role("status")).to_contain_text("GMV and bookings")
        page.get_by_role("link", name="Pipeline").click()
        expect(page.locator("[data-tile=partitions]")).to_contain_text("no worker has reported")
        page.get_by_role("link", name="Executive").click()
        pipeline.worker.start()
        expect(tile.locator("[data-trust=live]")).to_be_visible()
        pipeline.api.signal(signal.SIGSTOP)
        expect(tile.locator(".why")).to_contain_text("the api has said nothing for", timeout=bound_ms)
        pipeline.api.signal(signal.SIGCONT)
        expect(tile.locator("[data-trust=live]")).to_be_visible()
