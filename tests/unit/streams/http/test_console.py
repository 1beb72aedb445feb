"""The console's page and files, which need no token, and what it is told to show, which does."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import httpx
import pytest

from streams.console.files import console
from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.http.routes.console import FOR_GOOD
from tables.views import VIEWS
from tests.support.feed_records import checkpoint, heartbeat, partial
from tests.support.replica import NOW_S, feed
from tests.support.visitors import Analyst

GMV = VIEWS["kpi_gmv"]


async def test_the_page_runs_its_own_scripts_alone(api: httpx.AsyncClient) -> None:
    answer = await api.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    (inline,) = re.findall(r"<script type=\"importmap\">(.*?)</script>", answer.text, re.DOTALL)
    told = b64encode(sha256(inline.encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{told}';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(
        r"<script(?! type=\"importmap\">| type=\"module\" src=)|<style|\son\w+=", answer.text
    )
    again = await api.get("/", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_files_are_kept_for_good_and_there_are_no_others(api: httpx.AsyncClient) -> None:
    for path, file in console().files.items():
        answer = await api.get(path)
        assert (answer.status_code, answer.content) == (200, file.body), path
        assert answer.headers["content-type"] == file.media_type
        assert answer.headers["cache-control"] == FOR_GOOD
        assert answer.headers["x-content-type-options"] == "nosniff"
        again = await api.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
    base = next(iter(console().files)).rpartition("/")[0]
    for path in (
        "/../files.py",
        "/%2e%2e/files.py",
        "/..%2f..%2fhttp%2fapp.py",
        "/manifest.json",
        "/",
        "//etc/passwd",
    ):
        answer = await api.get(base + path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path


async def test_the_tiles_are_the_views_and_name_what_there_is(api: httpx.AsyncClient) -> None:
    shown = (await api.get("/v1/console")).json()
    assert {tile["view"] for tile in shown["tiles"]} == set(VIEWS)
    groups = list(dict.fromkeys(tile["group"] for tile in shown["tiles"]))
    assert groups == [
        "Executive", "Operations", "Trust", "Promotions", "Comms", "Studios", "Experiments", "Pipeline"
    ]  # fmt: skip
    assert next(tile["title"] for tile in shown["tiles"] if tile["group"] == "Operations") == "Recon variance"
    assert len({tile["tile"] for tile in shown["tiles"]}) == len(shown["tiles"])
    for tile in shown["tiles"]:
        view = VIEWS[tile["view"]]
        assert {*tile["measures"], *tile["rates"], *tile["trend"]} <= {one.name for one in view.measures}
        if view.kind != "experiment":
            group_by = ",".join(tile["group_by"])
            answer = await api.get(f"/v1/views/{view.name}", params={"group_by": group_by})
            assert answer.status_code == 200, (tile["title"], answer.text)


async def test_it_is_told_the_decimals_of_currencies(api: httpx.AsyncClient) -> None:
    decimals = (await api.get("/v1/console")).json()["decimals"]
    assert {code: decimals.get(code) for code in ("JPY", "KWD", "CLF", "HUF", "GBP")} == {
        "JPY": 0, "KWD": 3, "CLF": 4, "HUF": None, "GBP": None
    }  # fmt: skip


async def test_the_views_of_the_pipeline_are_a_list_too(api: httpx.AsyncClient, replica: Replica) -> None:
    lost = checkpoint(9, NOW_S, lost=[(1, 3)], partial_until={GMV.name: int(NOW_S) * 1_000_000})
    await feed(replica, lost, heartbeat((0, 9, 9, None)))
    listed = (await api.get("/v1/pipeline/views")).json()
    assert listed["views"] == (await api.get("/v1/pipeline")).json()["views"]
    assert [one["view"] for one in listed["views"] if not one["complete"]] == [GMV.name]
    lines = (await api.get("/v1/pipeline/views", params={"format": "csv"})).text.splitlines()
    assert lines[0] == "view,complete,freshness_seconds,incomplete_because,as_of"
    assert next(line for line in lines if line.startswith(GMV.name)).startswith(f"{GMV.name},false,0")
    assert len(lines) == 1 + len(VIEWS)


@pytest.mark.parametrize(
    ("scope", "cities"), [(None, ["london", "paris"]), (frozenset({"paris"}), ["paris"])]
)
async def test_only_what_may_be_seen_is_offered(
    replica: Replica, scope: frozenset[str] | None, cities: list[str]
) -> None:
    booked = [((city, "GBP"), (1, 5, 0, 0, 0)) for city in ("london", "paris")]
    minute = int(NOW_S) // 60 - 1
    await feed(replica, partial(GMV, "m", minute, booked), checkpoint(1, NOW_S), heartbeat((0, 5, 5, None)))
    transport = httpx.ASGITransport(create_app(replica, Analyst(scope, "ana")))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        shown = (await client.get("/v1/console")).json()
        assert (shown["cities"], shown["currencies"]) == (cities, ["GBP"])
        assert (shown["analyst"], shown["everywhere"]) == ("ana", scope is None)
        assert (await client.get("/v1/quarantine")).status_code == (200 if scope is None else 403)
