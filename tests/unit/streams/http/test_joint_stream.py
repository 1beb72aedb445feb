"""Many questions in one stream: what is asked of each view, what is sent, and to whom."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from streams.access.access import EVERYONE, Visitor
from streams.feed.replica import Replica
from streams.http.answer.questions import Params, Questions
from streams.http.app import create_app
from streams.http.routes.joint_stream import MOST_QUESTIONS, JointStreams, asked_questions
from streams.http.routes.stream import Broadcasts
from tables.query.params import ParameterError
from tables.views import VIEWS
from tests.support.feed_records import checkpoint, heartbeat, partial
from tests.support.replica import NOW_S, data, feed
from tests.support.visitors import Analyst

GMV = VIEWS["kpi_gmv"]
BY_CURRENCY = "kpi_gmv?group_by=currency"


async def booked(replica: Replica, amount: int = 5) -> None:
    cities = [((city, "GBP"), (1, amount, 0, 0, 0)) for city in ("london", "paris")]
    minute = int(NOW_S) // 60 - 1
    records = partial(GMV, "m", minute, cities), checkpoint(amount, NOW_S), heartbeat((0, 5, 5, None))
    await feed(replica, *records)


def views(*names: str) -> Params:
    return tuple(("view", name) for name in names)


def opened(
    replica: Replica, params: Params, visitor: Visitor = EVERYONE, last_id: str | None = None
) -> AsyncGenerator[bytes, None]:
    questions = Questions(replica)
    streams = JointStreams(replica, questions, Broadcasts(replica, questions))
    return streams.events(asked_questions(replica.views, params), visitor, last_id)


def name(event: bytes) -> str:
    return event.decode().split("\n")[0].removeprefix("event: ")


async def until(stream: AsyncGenerator[bytes, None], wanted: str) -> dict[str, Any]:
    """The next event of that name."""
    async for event in stream:
        if name(event) == wanted:
            return data(event)
    raise AssertionError(f"the stream has ended without {wanted}")


def test_a_view_is_asked_what_it_knows_and_its_own_goes_before() -> None:
    shared = (("city", "london"), ("currency", "GBP"), ("window", "1h"), ("tz", "Europe/Lisbon"))
    asked = asked_questions(
        VIEWS, (*views("kpi_funnel", "kpi_gmv?window=7d&step=1d&city=", "trust_risk"), *shared)
    )
    assert [(one.name, one.params) for one in asked] == [
        ("kpi_funnel", (("city", "london"), ("window", "1h"), ("tz", "Europe/Lisbon"))),
        (
            "kpi_gmv?window=7d&step=1d&city=",
            (("window", "7d"), ("step", "1d"), ("city", ""), ("currency", "GBP"), ("tz", "Europe/Lisbon")),
        ),
        ("trust_risk", (("city", "london"), ("window", "1h"))),
    ]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ((), "view: is missing"),
        (views("kpi_gmv", "kpi_gmv"), "view: asks the same twice"),
        (views(*(f"kpi_gmv?window={n}m" for n in range(1, MOST_QUESTIONS + 2))), f"at most {MOST_QUESTIONS}"),
        (views("kpi_gmv?city=a\nevent: x"), "a letter that can't be shown"),
        ((*views("kpi_gmv"), ("citty", "london")), "citty: "),
    ],
)
def test_what_cannot_be_asked_is_told(params: Params, why: str) -> None:
    with pytest.raises(ParameterError) as refused:
        asked_questions(VIEWS, params)
    assert why in str(refused.value)


async def test_a_wrong_question_is_an_error_and_no_stream(api: httpx.AsyncClient) -> None:
    wrong = await api.get("/v1/stream", params=[("view", "kpi_gmv"), ("view", "kpi_gmv?window=soon")])
    assert (wrong.status_code, wrong.json()["parameter"]) == (400, "window")
    unknown = await api.get("/v1/stream", params={"view": "kpi_gvm"})
    assert unknown.status_code == 404
    assert unknown.json()["detail"].endswith("; did you mean kpi_gmv?")


async def test_each_question_counts_as_a_stream(replica: Replica) -> None:
    replica.settings.__dict__["http_streams"] = 2
    transport = httpx.ASGITransport(create_app(replica))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        refused = await client.get("/v1/stream", params=views("kpi_gmv", "kpi_funnel", "trust_risk"))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    assert "streams may follow 2 questions in all (SLUICE_HTTP_STREAMS)" in refused.json()["detail"]


async def test_each_question_is_answered_and_then_what_changes(replica: Replica) -> None:
    await booked(replica)
    async with aclosing(opened(replica, views(BY_CURRENCY, "kpi_gmv", "kpi_funnel"))) as stream:
        first = [await anext(stream) for _ in range(3)]
        assert [name(event) for event in first] == [BY_CURRENCY, "kpi_gmv", "kpi_funnel"]
        assert [(row["currency"], row["gmv_minor"]) for row in data(first[0])["rows"]] == [("GBP", 10)]
        assert [row["city"] for row in data(first[1])["rows"]] == ["london", "paris"]
        told = await until(stream, "view-status")
        assert set(told["views"]) == {"kpi_gmv", "kpi_funnel"}
        assert told["views"]["kpi_gmv"] == {"freshness_seconds": 0.0, "stale_because": []}
        await booked(replica, 7)
        assert (await until(stream, BY_CURRENCY))["rows"][0]["gmv_minor"] == 14


async def test_it_goes_on_from_the_last_id(replica: Replica) -> None:
    await booked(replica)
    asked = views(BY_CURRENCY, "kpi_funnel")
    async with aclosing(opened(replica, asked)) as stream:
        *_, last = [await anext(stream) for _ in range(2)]
    last_id = last.decode().split("\n")[1].removeprefix("id: ")
    async with aclosing(opened(replica, asked, last_id=last_id)) as again:
        assert name(await anext(again)) == "view-status", "nothing has changed since"
    await booked(replica, 7)
    async with aclosing(opened(replica, asked, last_id=last_id)) as again:
        assert [name(await anext(again)) for _ in range(2)] == [BY_CURRENCY, "view-status"]
    async with aclosing(opened(replica, views("kpi_funnel"), last_id=last_id)) as other:
        assert name(await anext(other)) == "kpi_funnel", "the id is of other questions"


async def test_who_may_not_see_one_view_sees_the_others(replica: Replica) -> None:
    await booked(replica)
    ana = Analyst(frozenset({"paris"}))
    async with aclosing(opened(replica, views("exp_metric_cuped", "kpi_gmv"), ana.visitor)) as stream:
        refused = await until(stream, "not-shown")
        assert (refused["question"], refused["status"]) == ("exp_metric_cuped", 403)
        assert [row["city"] for row in (await until(stream, "kpi_gmv"))["rows"]] == ["paris"]
        ana.scope = frozenset({"london"})
        assert [row["city"] for row in (await until(stream, "kpi_gmv"))["rows"]] == ["london"]
        ana.lasts = False
        assert "expired or was taken back" in (await until(stream, "error"))["detail"]
        with pytest.raises(AssertionError, match="has ended"):
            await until(stream, "kpi_gmv")


async def test_whom_a_proxy_names_is_to_ask_again_and_no_error_is_told(replica: Replica) -> None:
    await booked(replica)
    ana = Analyst(None, told_again=True)
    async with aclosing(opened(replica, views("kpi_gmv", "kpi_funnel"), ana.visitor)) as stream:
        await until(stream, "view-status")
        ana.lasts = False
        assert {name(event) async for event in stream} <= {"view-status"}


async def test_a_view_that_is_taken_away_meanwhile_is_told(replica: Replica) -> None:
    ben = Analyst(None)
    async with aclosing(opened(replica, views("exp_metric_cuped"), ben.visitor)) as stream:
        assert (await until(stream, "exp_metric_cuped"))["rows"] == []
        ben.scope = frozenset({"london"})
        assert (await until(stream, "not-shown"))["question"] == "exp_metric_cuped"


async def test_it_ends_with_the_api(replica: Replica) -> None:
    async with aclosing(opened(replica, views("kpi_gmv"))) as stream:
        await anext(stream)
        replica.end()
        with pytest.raises(AssertionError, match="has ended"):
            await until(stream, "never")
