"""What stands before the routes: who asks, bounds, headers, other origins, the log."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from streams import metrics
from streams.access.access import EVERYONE, Access
from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.settings import Settings
from tables.views import VIEWS
from tests.support.feed_records import TOPIC, checkpoint, partial
from tests.support.replica import NOW_S, SetClock, feed

GMV = VIEWS["kpi_gmv"]
PROBES = ("/healthz", "/readyz", "/metrics")
OPEN = (*PROBES, "/")
SECRET = "ana-token"
AS_ANA = {"authorization": f"Bearer {SECRET}"}


@asynccontextmanager
async def asked(**settings: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an api with these settings, which has london's and paris's bookings."""
    replica = Replica(
        VIEWS, Settings.load({f"SLUICE_{k.upper()}": v for k, v in settings.items()}), SetClock()
    )
    replica.topics, replica.waiting_for = {TOPIC: 1}, None
    minute = int(NOW_S) // 60 - 1
    cities = [((city, "GBP"), (1, 5, 0, 0, 0)) for city in ("london", "paris")]
    await feed(replica, partial(GMV, "m", minute, cities), checkpoint(1, NOW_S))
    app = create_app(replica, Access(replica.settings).visitor)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 5000))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            yield client
    finally:
        replica.end()
        replica.close()


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    (tmp_path / "tokens").write_text(f"ana,{digest}\n")
    (tmp_path / "scopes").write_text("ana,paris\n")
    files = {"tokens_file": str(tmp_path / "tokens"), "city_scope_file": str(tmp_path / "scopes")}
    return {"auth": "tokens", **files}


async def test_every_route_asks_who_it_is_but_the_page_and_what_probes_ask(tokens: dict[str, str]) -> None:
    async with asked(**tokens) as client:
        listed = (await client.get("/openapi.json", headers=AS_ANA)).json()["paths"]
        for path in [*listed, "/docs", "/openapi.json", "/", "/nowhere"]:
            answer = await client.get(path)
            assert (answer.status_code == 401) == (path not in OPEN), path
            if path not in OPEN:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.json()["status"] == 401
            assert "london" not in answer.text


async def test_metrics_tell_of_no_entities_where_some_may_not_see_all(tokens: dict[str, str]) -> None:
    metrics.VIEW_ENTITIES.clear()
    async with asked(**tokens) as client:
        told = (await client.get("/metrics")).text
        assert "sluice_view_freshness_seconds{" in told
        assert "sluice_view_entities{" not in told
    async with asked() as client:
        assert "sluice_view_entities{" in (await client.get("/metrics")).text


async def test_an_analyst_sees_what_the_mapping_says(tokens: dict[str, str]) -> None:
    async with asked(**tokens) as client:
        answer = await client.get("/v1/views/kpi_gmv", headers=AS_ANA)
        assert [row["city"] for row in answer.json()["rows"]] == ["paris"]
        assert "london" not in answer.text
        refused = await client.get("/v1/views/exp_metric_cuped", headers=AS_ANA)
        assert (refused.status_code, refused.json()["title"]) == (403, "Forbidden")
        assert "city *" in refused.json()["detail"]
        assert (await client.get("/v1/stream/exp_metric_cuped", headers=AS_ANA)).status_code == 403


async def test_without_a_line_nothing_is_seen(tokens: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "scopes").write_text("ben,*\n")
    async with asked(**tokens) as client:
        answer = await client.get("/v1/views/kpi_gmv", headers=AS_ANA)
        assert (answer.status_code, answer.json()["rows"]) == (200, [])


async def test_a_proxy_says_who_asks(tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    tokens |= {"auth": "proxy", "proxy_addresses": "127.0.0.1", "proxy_header": "X-User"}
    async with asked(**tokens) as client:
        answer = await client.get("/v1/views/kpi_gmv", headers={"x-user": "ana"})
        assert [row["city"] for row in answer.json()["rows"]] == ["paris"]
        assert (await client.get("/v1/views/kpi_gmv")).status_code == 401
        monkeypatch.setattr("streams.access.proxy.LASTS_SECONDS", 0.0)
        ended = await client.get("/v1/stream?view=kpi_gmv", headers={"x-user": "ana"})
        assert (ended.status_code, ended.json()["title"]) == (401, "Unauthorized")
    tokens |= {"proxy_addresses": "10.0.0.1"}
    async with asked(**tokens) as client:
        said = {"x-user": "ana", "x-forwarded-for": "10.0.0.1", "forwarded": "for=10.0.0.1"}
        assert (await client.get("/v1/views/kpi_gmv", headers=said)).status_code == 401


async def test_an_analyst_who_asks_too_often_waits(tokens: dict[str, str]) -> None:
    async with asked(**tokens, http_rate="1") as client:
        statuses = [(await client.get("/v1/views", headers=AS_ANA)).status_code for _ in range(11)]
        assert statuses == [200] * 10 + [429]
        refused = await client.get("/v1/views", headers=AS_ANA)
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert (await client.get("/metrics")).status_code == 200


async def test_a_stream_of_many_questions_is_as_many_requests(tokens: dict[str, str]) -> None:
    async with asked(**tokens, http_rate="1") as client:

        async def status(path: str, questions: int) -> int:
            """Of a stream that ends before it begins: one of its questions is wrong."""
            query = "&".join(["%76iew=kpi_gmv?window=soon", *(f"view={n}" for n in range(questions - 1))])
            return (await client.get(f"{path}?{query}", headers=AS_ANA)).status_code

        assert await status("/v1/views", 9) == 400, "one request"
        assert await status("/v1/stream", 7) in (400, 404)
        assert await status("/v1/stream", 3) == 429
        assert await status("/v1/stream", 2) in (400, 404)
        refused = await client.get("/v1/views", headers=AS_ANA)
        assert refused.status_code == 429
    async with asked(**tokens, http_rate="1") as client:
        assert await status("/v1/stream", 64) in (400, 404), "as much as a window has, or it never could be"
        refused = await client.get("/v1/stream?view=kpi_gmv&view=kpi_funnel", headers=AS_ANA)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")


async def test_who_is_called_like_everyone_has_a_limit_too(tokens: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text((tmp_path / "tokens").read_text().replace("ana", EVERYONE.analyst))
    async with asked(**tokens, http_rate="1") as client:
        statuses = [(await client.get("/v1/views", headers=AS_ANA)).status_code for _ in range(11)]
        assert statuses == [200] * 10 + [429]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/views/kpi_gmv?city=" + "x" * 300, {}, 414),
        ("/v1/views/" + "%41" * 100, {}, 414),
        ("/v1/views", {"content-length": "70000"}, 413),
        ("/v1/views", {"content-length": "-1"}, 413),
        ("/v1/views", {"content-length": "9" * 400}, 413),
        ("/v1/views", {"host": "evil.example"}, 421),
        ("/v1/views", {"host": "127.0.0.1.evil.example:8080"}, 421),
        ("/v1/views", {"host": "evil.example:80:127.0.0.1"}, 421),
        ("/v1/views", {"host": "[::1]:8080"}, 200),
        ("/v1/views", {"host": "[::1]"}, 200),
        ("/v1/views", {"host": "LOCALHOST:8080"}, 200),
    ],
)
async def test_bounds_and_names_of_this_machine(path: str, headers: dict[str, str], status: int) -> None:
    async with asked(http_query_bytes="256") as client:
        answer = await client.get(path, headers=headers)
        assert answer.status_code == status
        if status != 200:
            assert answer.json()["status"] == status


@pytest.mark.parametrize(
    "path", ["/v1/views", "/nowhere", "/healthz", "/v1/views?city=x", "/docs", "/openapi.json"]
)
async def test_browsers_are_told_to_do_nothing_with_it(path: str) -> None:
    async with asked() as client:
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] in ("no-store", "private, no-cache")
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
        assert "strict-transport-security" not in headers


async def test_a_fault_of_ours_has_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.http.answer.questions.answer_view", lambda *_: 1 / 0)
    async with asked() as client:
        answer = await client.get("/v1/views/kpi_gmv")
        assert answer.status_code == 500
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.json()["title"] == "Internal Server Error"


async def test_pages_of_other_origins_read_it_where_they_are_named() -> None:
    async with asked(http_cors_origins="https://ops.example") as client:
        named = await client.get("/v1/views", headers={"origin": "https://ops.example"})
        assert named.headers["access-control-allow-origin"] == "https://ops.example"
        assert "cross-origin-resource-policy" not in named.headers
        other = await client.get("/v1/views", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        asking = {
            "origin": "https://ops.example",
            "access-control-request-method": "GET",
            "access-control-request-headers": "authorization",
        }
        assert (await client.options("/v1/views", headers=asking)).status_code == 200
        asking["origin"] = "https://evil.example"
        assert (await client.options("/v1/views", headers=asking)).status_code == 400


async def test_the_log_says_who_asked_and_never_the_token(
    tokens: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "streams.http.connection.requests_log")
    async with asked(**tokens) as client:
        await client.get("/v1/views/kpi_gmv?city=paris", headers=AS_ANA)
        await client.get("/v1/views/kpi_gmv", headers={"authorization": f"Bearer {SECRET}x"})
        for path in PROBES:
            await client.get(path)
    lines = [getattr(record, "fields", {}) for record in caplog.records if "requests_log" in record.name]
    assert [(line["analyst"], line["path"], line["query"], line["status"]) for line in lines] == [
        ("ana", "/v1/views/kpi_gmv", "city=paris", 200),
        (None, "/v1/views/kpi_gmv", "", 401),
    ]
    assert SECRET not in repr([record.__dict__ for record in caplog.records])


async def test_the_log_can_be_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "streams.http.connection.requests_log")
    async with asked(http_access_log="0") as client:
        await client.get("/v1/views")
    assert not [record for record in caplog.records if "requests_log" in record.name]
