"""The api while a former definition answers, and as it switches to the new one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx

from streams.access.access import EVERYONE
from streams.feed.replica import Replica
from tables.definitions import declaration_key
from tables.spec.view import View
from tables.spec.written import encode_view
from tables.views.kpi_gmv import KPI_GMV
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG
from tests.support.feed_records import DEFINITIONS, TOPIC, checkpoint, partial
from tests.support.replica import NOW_S, data, feed
from tests.support.visitors import broadcasts

FORMER = replace(KPI_GMV, dimensions=("currency",), measures=KPI_GMV.measures[:1])
SUMS = replace(FORMER, name=OPS_PAYOUT_BACKLOG.name)
MINUTE = int(NOW_S) // 60 - 1


def declared(view: View) -> list[tuple[bytes, bytes | None, int]]:
    """What a worker writes that goes on with this definition."""
    views = {**DEFINITIONS, view.name: (view.definition_hash, 0)}
    return [
        (declaration_key(view, TOPIC), encode_view(view), 0),
        partial(view, "m", MINUTE, [(("EUR", "ulm"), [3])]),
        checkpoint(1, NOW_S, views=views),
    ]


async def test_it_is_asked_and_answers_by_its_own_dimensions(
    api: httpx.AsyncClient, replica: Replica
) -> None:
    await feed(replica, *declared(FORMER))
    answer = (await api.get("/v1/views/kpi_gmv", params={"group_by": "currency"})).json()
    assert answer["rows"] == [{"currency": "EUR", "bookings": 3}]
    assert "former definition" in answer["warnings"][0]
    refused = await api.get("/v1/views/kpi_gmv", params={"city": "ulm"})
    assert refused.status_code == 400
    listed = {view["name"]: view for view in (await api.get("/v1/views")).json()["views"]}
    assert listed["kpi_gmv"]["dimensions"] == ["currency"]
    assert "sluice views rebuild kpi_gmv" in listed["kpi_gmv"]["former"]
    assert listed["kpi_funnel"]["former"] is None
    assert (await api.get("/metrics")).status_code == 200


async def test_one_without_entities_has_none(api: httpx.AsyncClient, replica: Replica) -> None:
    await feed(replica, *declared(SUMS))
    answer = await api.get("/v1/views/ops_payout_backlog/entities")
    assert answer.status_code == 404
    assert "has no entities" in answer.json()["detail"]
    assert (await api.get("/v1/views/ops_payout_backlog")).json()["rows"][0]["bookings"] == 3


async def test_a_stream_goes_over_to_the_new_one(replica: Replica) -> None:
    await feed(replica, *declared(FORMER))
    stream = broadcasts(replica).events(KPI_GMV, (), EVERYONE)
    assert data(await anext(stream))["rows"] == [{"currency": "EUR", "bookings": 3}]
    following = asyncio.ensure_future(anext(stream))
    views = {**DEFINITIONS, "kpi_gmv": (FORMER.definition_hash, 0)}
    beside = {"kpi_gmv": (KPI_GMV.definition_hash, 0)}
    await feed(
        replica,
        partial(KPI_GMV, "m", MINUTE, [(("ulm", "EUR"), [4, 5, 6, 7, 8])]),
        checkpoint(2, NOW_S, views=views, beside=beside),
    )
    (row,) = data(await following)["rows"]
    assert (row["city"], row["currency"], row["bookings"]) == ("ulm", "EUR", 4)
    await stream.aclose()


async def test_a_stream_of_what_the_new_one_does_not_have_ends_with_an_error(replica: Replica) -> None:
    other = replace(KPI_GMV, dimensions=("city", "currency"), measures=KPI_GMV.measures[:1])
    wider = replace(other, dimensions=("currency", "booking_id", "city"))
    await feed(
        replica,
        (declaration_key(wider, TOPIC), encode_view(wider), 0),
        checkpoint(1, NOW_S, views={**DEFINITIONS, "kpi_gmv": (wider.definition_hash, 0)}),
    )
    params = (("booking_id", "b"),)
    stream = broadcasts(replica).events(KPI_GMV, params, EVERYONE)
    assert data(await anext(stream))["rows"] == []
    following = asyncio.ensure_future(anext(stream))
    await feed(replica, checkpoint(2, NOW_S))
    assert (await following).startswith(b"event: error")
