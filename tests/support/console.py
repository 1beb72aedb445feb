"""The console over a running pipeline, as people see it: a market, two analysts, pages of a browser."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page

from tests.support.browser import page_of
from tests.support.kafka import wait_until
from tests.support.patience import PATIENCE
from tests.support.processes import Role, Sluice

CITIES = ("berlin", "london", "stockholm")
ANALYSTS = {"ben": ("*",), "ana": ("london",)}
MARKET = (
    *("simulate", "--rate", "0", "--count", "6000", "--density", "40", "--flat", "--bad", "0.03"),
    *("--cities", ",".join(CITIES), "--scenario", "recon-leak@0s-150s,dispute-wave@0s-150s"),
)
"""Two and a half minutes of a market with many disputes, whose payouts are too high: its gates close."""
SESSION_SECONDS = 6


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
        worker = sluice.worker()
        sluice.gates()
        sluice.bronze()
        api = sluice.api(**access_files(folder))
        sent = sluice.run(*MARKET)
        assert sent.returncode == 0, sent.stderr
        pipeline = Pipeline(sluice, worker, api, asyncio.run(_url(api)))
        asyncio.run(wait_until(lambda: _settled(pipeline), "the market in views and gates", seconds=60))
        yield pipeline


async def _url(api: Role) -> str:
    await api.ready()
    return await api.url("")


def _settled(pipeline: Pipeline) -> bool:
    partitions = pipeline.json("/v1/pipeline")["rows"]
    folded = sum(row["checkpoint_offset"] or 0 for row in partitions)
    caught_up = all(row["lag_records"] == 0 for row in partitions)
    return folded >= 6000 and caught_up and pipeline.json("/v1/alarms", state="raised")["open"] > 0


@contextmanager
def shown(
    browser: Browser,
    pipeline: Pipeline,
    address: str,
    *,
    analyst: str = "ben",
    width: int = 1280,
    dark: bool = False,
) -> Iterator[Page]:
    """The console, logged in. Whatever the page complains of, or asks of another host, fails the test."""
    complaints: list[str] = []
    asked: set[str] = set()
    with page_of(browser, complaints, width=width, dark=dark) as page:
        page.on("request", lambda request: asked.add(request.url))
        page.add_init_script(f"sessionStorage.setItem('sluice-token', '{token_of(analyst)}')")
        page.goto(pipeline.url + address)
        page.get_by_role("heading", level=1).wait_for()
        yield page
    assert complaints == []
    elsewhere = {url for url in asked if not url.startswith((f"{pipeline.url}/", "blob:", "data:"))}
    assert not elsewhere, "the page asks another host"
