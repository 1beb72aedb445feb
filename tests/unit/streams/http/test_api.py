from __future__ import annotations

import asyncio
import contextlib
import re

import httpx
import openapi_spec_validator
import pytest

from streams.access.access import EVERYONE
from streams.feed.replica import Replica
from streams.http.app import create_app
from tables.gates.declared import GATES
from tables.read.state import FeedItem
from tables.views import VIEWS
from tests.support.feed_records import TOPIC, checkpoint, entity, heartbeat, partial
from tests.support.replica import NOW_S, SetClock, data, feed
from tests.support.visitors import Analyst, broadcasts

GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
TRACKING = [name for name, view in VIEWS.items() if view.tracks]
MINUTE = int(NOW_S) // 60


def booked(amount: int = 2**53 - 1) -> FeedItem:
    return partial(GMV, "m", MINUTE - 1, [(("london", "GBP"), (1, amount, 0, 0, 0))])


async def test_views_are_listed(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/views")
    listed = {view["name"]: view for view in answer.json()["views"]}
    assert list(listed) == list(VIEWS)
    gmv = listed["kpi_gmv"]
    assert (gmv["kind"], gmv["dimensions"]) == ("windowed", ["city", "currency"])
    assert gmv["description"] == GMV.description
    assert gmv["measures"] == [measure.name for measure in GMV.measures]
    assert list(gmv["about"]) == gmv["measures"]
    assert gmv["about"]["gmv_minor"] == {"description": GMV.measures[1].description, "unit": "minor"}
    assert listed["ops_payout_backlog"]["states"] == [
        "open", "overdue", "failed", "backlog", "initiated", "canceled", "paid",
    ]  # fmt: skip


async def test_a_views_answer_with_exact_integers(api: httpx.AsyncClient, replica: Replica) -> None:
    await feed(replica, booked(2**70), checkpoint(7, NOW_S - 30), heartbeat((0, 7, 7, None)))
    answer = await api.get("/v1/views/kpi_gmv", params={"window": "1h"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.json() == {
        "view": "kpi_gmv",
        "kind": "windowed",
        "as_of": "2026-03-01T12:00:00Z",
        "from": "2026-03-01T11:00:00Z",
        "to": "2026-03-01T12:00:00Z",
        "watermark": "2026-03-01T11:59:30Z",
        "freshness_seconds": 0.0,
        "complete": True,
        "since": None,
        "partitions": [
            {
                "topic": TOPIC,
                "partition": 0,
                "watermark": "2026-03-01T11:59:30Z",
                "first_offset": 0,
                "checkpoint_offset": 7,
                "lag_records": 0,
            }
        ],
        "rows": [
            {
                "city": "london",
                "currency": "GBP",
                "bookings": 1,
                "gmv_minor": 2**70,
                "cancellations": 0,
                "cancelled_minor": 0,
                "platform_fees_minor": 0,
                "take_rate": 0.0,
                "booking_minor_p50": None,
                "booking_minor_p95": None,
            }
        ],
    }


async def test_entities_of_a_view(api: httpx.AsyncClient, replica: Replica) -> None:
    members = [True, 10**15, 0, "e", None, "GBP", 5, None, "p1"]
    await feed(replica, *(entity(PAYOUTS, f"po{n}", members) for n in range(3)), checkpoint(7, NOW_S))
    first = (await api.get("/v1/views/ops_payout_backlog/entities?state=open&limit=2")).json()
    assert [row["payout_id"] for row in first["rows"]] == ["po0", "po1"]
    rest = (await api.get("/v1/views/ops_payout_backlog/entities", params={"cursor": first["cursor"]})).json()
    assert [row["payout_id"] for row in rest["rows"]] == ["po2"]


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/v1/views?city=london", "city"),
        ("/v1/views/kpi_gmv?window=soon", "window"),
        ("/v1/views/kpi_gmv?group_by=city", "group_by"),
        ("/v1/views/kpi_gmv?colour=red", "colour"),
        ("/v1/stream/kpi_gmv?step=1s", "step"),
        ("/v1/views/ops_payout_backlog/entities?limit=0", "limit"),
        ("/v1/views/ops_payout_backlog?step=1h", "step"),
        ("/v1/views/ops_payout_backlog?to=garbage", "to"),
        ("/v1/views/ops_payout_backlog/entities?window=1h", "window"),
    ],
)
async def test_a_wrong_parameter_is_a_problem_that_names_it(
    api: httpx.AsyncClient, path: str, named: str
) -> None:
    answer = await api.get(path)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["title"], problem["parameter"]) == (400, "Bad Request", named)
    assert problem["detail"].startswith(f"{named}: ")


async def test_a_step_that_is_too_fine_for_a_stream_is_refused_before_it_begins(
    api: httpx.AsyncClient, replica: Replica
) -> None:
    await feed(replica, partial(GMV, "h", MINUTE // 60 - 5, [(("x", "GBP"), (1,) * 5)]), checkpoint(7, NOW_S))
    answer = await api.get("/v1/stream/kpi_gmv?step=5m")
    assert (answer.status_code, answer.json()["parameter"]) == (400, "step")


@pytest.mark.parametrize(
    "path",
    ["/v1/views/nothing", "/v1/stream/nothing", "/v1/views/nothing/entities", "/v1/views/kpi_gmv/entities"],
)
async def test_an_unknown_view_is_a_problem_that_lists_the_views(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    known = ["ops_payout_backlog"] if "kpi_gmv" in path else list(VIEWS)
    assert set(known) <= set(answer.json()["views"])


@pytest.mark.parametrize(
    "path", ["/v1", "/console/x", "/v1/view/kpi_gmv", "/v1/gatesrecon", "/v1/views/kpi_gmv/rows"]
)
async def test_an_unknown_path_lists_the_views_too(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["views"] == list(VIEWS)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/views", "/v1/views/kpi_gmv?window=1h", "/v1/views/ops_payout_backlog/entities",
        "/v1/gates/recon",
        "/v1/views/kpi_gmv?window=soon", "/v1/views/none", "/nowhere",
        "/healthz", "/readyz", "/openapi.json", "/docs", "/", "/v1/console",
    ],
)  # fmt: skip
async def test_head_is_answered_as_get_without_a_body(api: httpx.AsyncClient, path: str) -> None:
    head, got = await api.head(path), await api.get(path)
    assert (head.status_code, head.headers) == (got.status_code, got.headers)
    assert head.content == b""


@pytest.mark.parametrize("path", ["/v1/gates/other", "/v1/gates/recon/x"])
async def test_an_unknown_path_under_gates_lists_the_gates(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 404
    assert answer.json()["gates"] == [*GATES]
    assert "views" not in answer.json()


@pytest.mark.parametrize(
    ("path", "meant"),
    [("/v1/views/kpi_gvm", "kpi_gmv"), ("/v1/views/KPI_GMV", "kpi_gmv"),
     ("/v1/stream/kpi_funel", "kpi_funnel"),
     ("/v1/views/ops_payout_backlogs/entities", "ops_payout_backlog"), ("/v1/gates/recom", "recon")],
)  # fmt: skip
async def test_a_name_that_is_nearly_right_is_offered(api: httpx.AsyncClient, path: str, meant: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith(f"; did you mean {meant}?")


async def test_a_stream_has_no_head(api: httpx.AsyncClient) -> None:
    for path in ("/v1/stream/kpi_gmv", "/v1/stream?view=kpi_gmv"):
        answer = await api.head(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


async def test_other_errors_are_problems_too(api: httpx.AsyncClient, replica: Replica) -> None:
    answer = await api.post("/v1/views")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.headers["content-type"] == "application/problem+json"
    answer = await api.get("/v2/views")
    assert (answer.status_code, answer.json()["status"]) == (404, 404)
    assert answer.json()["views"] == list(VIEWS)
    replica.reader.definitions.serving.clear()
    answer = await api.get("/v1/views/kpi_gmv")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "KeyError" not in answer.text


async def test_readiness(api: httpx.AsyncClient, replica: Replica) -> None:
    assert (await api.get("/readyz")).status_code == 200
    replica.forget("Kafka at nowhere:1")
    answer = await api.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "waiting for Kafka at nowhere:1")
    assert (await api.get("/healthz")).json() == {"status": "ok"}
    assert (await api.get("/v1/views/kpi_gmv")).json()["complete"] is False


async def test_metrics_tell_how_far_each_view_can_be_trusted(
    api: httpx.AsyncClient, replica: Replica
) -> None:
    answer = await api.get("/metrics")
    assert 'sluice_view_freshness_seconds{view="kpi_gmv"} +Inf' in answer.text
    assert 'sluice_view_complete{view="kpi_gmv"} 0.0' in answer.text
    await feed(replica, checkpoint(7, NOW_S), heartbeat((0, 7, 7, None)))
    answer = await api.get("/metrics")
    assert 'sluice_view_freshness_seconds{view="kpi_gmv"} 0.0' in answer.text
    assert 'sluice_view_complete{view="kpi_gmv"} 1.0' in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


async def test_metrics_tell_readiness_as_readyz_does(api: httpx.AsyncClient, replica: Replica) -> None:
    assert "sluice_ready 1.0" in (await api.get("/metrics")).text
    replica.forget("Kafka at nowhere:1")
    assert "sluice_ready 0.0" in (await api.get("/metrics")).text


async def test_the_openapi_document_describes_parameters_and_rows(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    openapi_spec_validator.validate(document)
    for view in VIEWS.values():
        operation = document["paths"][f"/v1/views/{view.name}"]["get"]
        asked = [parameter["name"] for parameter in operation["parameters"]]
        steps = ["step", "tz"] if view.kind == "windowed" else []
        assert asked == ["as_of", "group_by", "window", "from", "to", *steps, *view.dimensions, "format"]
        row = document["components"]["schemas"][f"{view.name}_answer"]["properties"]["rows"]["items"]
        measures = [measure.name for measure in view.measures]
        assert list(row["properties"]) == ["t", *view.dimensions, *measures]
    (state,) = [
        parameter
        for parameter in document["paths"]["/v1/views/ops_payout_backlog/entities"]["get"]["parameters"]
        if parameter["name"] == "state"
    ]
    assert PAYOUTS.tracks is not None
    assert state["schema"]["enum"] == list(PAYOUTS.tracks.by_state)
    stated = {
        f"{path} {status}": "".join(sorted(answer.get("content", ())))
        for path, methods in document["paths"].items()
        for method in methods.values()
        for status, answer in method["responses"].items()
        if int(status) not in (304, 401, 403, 413, 414, 421, 429)
    }
    json, problem, forms = "application/json", "application/problem+json", "application/jsontext/csv"
    assert stated == {
        "/v1/views 200": forms, "/v1/views 400": problem,
        **{f"/v1/views/{name} 200": forms for name in VIEWS},
        **{f"/v1/views/{name} 400": problem for name in VIEWS},
        **{f"/v1/views/{name}/explain 200": forms for name in VIEWS},
        **{f"/v1/views/{name}/explain {status}": problem for name in VIEWS for status in (400, 503)},
        **{f"/v1/stream/{name} 200": "text/event-stream" for name in VIEWS},
        **{f"/v1/stream/{name} 400": problem for name in VIEWS},
        **{f"/v1/views/{name}/entities 200": forms for name in TRACKING},
        **{f"/v1/views/{name}/entities 400": problem for name in TRACKING},
        "/v1/gates 200": forms, "/v1/gates 400": problem, "/v1/gates 503": problem,
        **{f"/v1/gates/{name} 200": forms for name in GATES},
        **{f"/v1/gates/{name} {status}": problem for name in GATES for status in (400, 503)},
        **{f"/v1/gates/{name}/override 200": json for name in GATES},
        **{
            f"/v1/gates/{name}/override {status}": problem
            for name in GATES
            for status in (400, 404, 409, 415, 503)
        },
        "/v1/stream 200": "text/event-stream", "/v1/stream 400": problem, "/v1/stream 404": problem,
        "/v1/pipeline 200": forms, "/v1/pipeline 400": problem,
        "/v1/pipeline/views 200": forms, "/v1/pipeline/views 400": problem,
        "/v1/console 200": forms, "/v1/console 400": problem,
        "/v1/quarantine 200": forms, "/v1/quarantine 400": problem,
        "/v1/alarms 200": forms, "/v1/alarms 400": problem, "/v1/alarms 503": problem,
        "/v1/alarms/{alarm_id}/ack 200": json,
        **{f"/v1/alarms/{{alarm_id}}/ack {status}": problem for status in (400, 404, 415, 503)},
        "/healthz 200": json, "/readyz 200": json, "/readyz 503": problem, "/metrics 200": "text/plain",
    }  # fmt: skip
    described = operation["responses"]["400"]["content"][problem]["schema"]["properties"]
    for path in ("/v1/views/none", "/v1/views/kpi_gmv?window=soon", "/v1/gates/none"):
        assert set((await api.get(path)).json()) <= set(described)
    posts = {path for path, methods in document["paths"].items() if "post" in methods}
    assert posts == {"/v1/alarms/{alarm_id}/ack", *(f"/v1/gates/{name}/override" for name in GATES)}
    assert not any("Validation" in name for name in document["components"]["schemas"])


async def test_the_docs_page_loads_nothing_from_elsewhere(api: httpx.AsyncClient) -> None:
    answer = await api.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert not any(word in answer.text for word in ("http://", "https://", "<script", "@import", "src="))
    for view in VIEWS.values():
        assert view.name in answer.text
    for path in (
        "/v1/views/kpi_gmv",
        "/v1/views/ops_payout_backlog/entities",
        "/v1/stream/kpi_gmv",
        "/readyz",
    ):
        assert f"GET {path}" in answer.text


async def test_the_docs_page_links_every_state_of_entities(api: httpx.AsyncClient) -> None:
    page = (await api.get("/docs")).text
    linked = re.findall(r"<a href='(v1/views/\w+/entities[^']*)'", page)
    for view in VIEWS.values():
        for state in view.tracks.by_state if view.tracks else ():
            assert f"v1/views/{view.name}/entities?state={state}" in linked
    for url in linked:
        assert (await api.get(f"/{url}")).status_code == 200


async def test_only_the_scopes_cities_are_answered(replica: Replica) -> None:
    transport = httpx.ASGITransport(create_app(replica, Analyst(frozenset({"paris"}))))
    await feed(replica, booked(), checkpoint(7, NOW_S))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get("/v1/views/kpi_gmv")).json()["rows"] == []


async def test_a_stream_sends_at_once_and_on_change(replica: Replica) -> None:
    stream = broadcasts(replica).events(GMV, (), EVERYONE)
    first = data(await anext(stream))
    assert (first["rows"], first["complete"]) == ([], False)
    following = asyncio.ensure_future(anext(stream))
    await feed(replica, checkpoint(1, NOW_S), heartbeat((0, 1, 1, None)))
    assert data(await following)["complete"] is True
    following = asyncio.ensure_future(anext(stream))
    await feed(replica, booked(5), checkpoint(2, NOW_S))
    assert data(await following)["rows"][0]["gmv_minor"] == 5
    following = asyncio.ensure_future(anext(stream))
    assert isinstance(replica.clock, SetClock)
    replica.clock.now += 11  # nothing comes any more: answers become incomplete by themselves
    assert data(await following)["complete"] is False
    following = asyncio.ensure_future(anext(stream))
    replica.end()
    with pytest.raises(StopAsyncIteration):
        await following


async def test_a_stream_without_news_is_kept_alive(replica: Replica) -> None:
    await feed(replica, checkpoint(1, NOW_S), heartbeat((0, 1, 1, None)))
    window = [("from", "2026-03-01T00:00:00Z"), ("to", "2026-03-01T12:00:00Z")]
    replica.settings.__dict__["session_seconds"] = 1000
    stream = broadcasts(replica).events(GMV, tuple(window), EVERYONE)
    await anext(stream)
    following = asyncio.ensure_future(anext(stream))
    assert isinstance(replica.clock, SetClock)
    replica.clock.now += 16
    assert (await following).startswith(b":")
    await stream.aclose()


async def test_a_stream_warns_of_a_city_that_no_state_has_until_it_comes(replica: Replica) -> None:
    await feed(replica, booked(), checkpoint(1, NOW_S), heartbeat((0, 1, 1, None)))
    replica.waiting_for = None
    stream = broadcasts(replica).events(GMV, (("city", "london,ulm"),), EVERYONE)
    first = data(await anext(stream))
    assert first["warnings"] == ["no such city: ulm; there are london"]
    following = asyncio.ensure_future(anext(stream))
    ulm = partial(GMV, "m", int(NOW_S) // 60 - 5000, [(("ulm", "GBP"), (1, 5, 0, 0, 0))])
    await feed(replica, ulm, checkpoint(2, NOW_S))
    assert "warnings" not in data(await following), "it is there, if not in the window"
    await stream.aclose()


async def test_an_age_alone_is_no_news(replica: Replica) -> None:
    members = [True, 10**15, 0, "e", "london", "GBP", 5, None, "p1"]
    await feed(replica, entity(PAYOUTS, "po", members), checkpoint(1, NOW_S), heartbeat((0, 1, 1, None)))
    stream = broadcasts(replica).events(PAYOUTS, (), EVERYONE)
    await anext(stream)
    following = asyncio.ensure_future(anext(stream))
    assert isinstance(replica.clock, SetClock)
    replica.clock.now += 5
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(following), 0.35)
    assert not following.done()
    await feed(replica, entity(PAYOUTS, "po2", members), checkpoint(2, NOW_S))
    assert data(await following)["rows"][0]["open"] == 2
    await stream.aclose()
