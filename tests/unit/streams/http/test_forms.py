"""The forms of answers: CSV, flat JSON, packed, not at all where nothing has changed; pages by Link."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest
from backports import zstd

from streams.feed.replica import Replica
from streams.http.answer.formats import to_csv
from tables.views import VIEWS
from tests.support.feed_records import checkpoint, entity, heartbeat, partial
from tests.support.replica import NOW_S, SetClock, feed

GMV, PAYOUTS = VIEWS["kpi_gmv"], VIEWS["ops_payout_backlog"]
MINUTE = int(NOW_S) // 60 - 1
PATH = "/v1/views/kpi_gmv"


async def booked(replica: Replica, cities: int = 2, offset: int = 1) -> None:
    groups = [((f"city{n}", "GBP"), (1, 2**53 - 1, 0, 0, 0)) for n in range(cities)]
    await feed(
        replica, partial(GMV, "m", MINUTE, groups), checkpoint(offset, NOW_S), heartbeat((0, 1, 1, None))
    )


def read(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("?format=csv", "application/json", "text/csv"),
        ("?format=json", "text/csv", "application/json"),
        ("", "text/csv", "text/csv"),
        ("", "TEXT/CSV; header=present, */*;q=0.1", "text/csv"),
        ("", "text/csv;q=0.5, application/json", "application/json"),
        ("", "text/csv;q=0.9, application/json;q=0.8", "text/csv"),
        ("", "text/csv;q=0", "application/json"),
        ("", "text/csv;q=much", "application/json"),
        ("", "*/*", "application/json"),
        ("", "application/json;q=0.9,text/plain", "application/json"),  # Grafana's Infinity, of JSON
        ("", "text/csv;q=0.9,text/plain", "text/csv"),  # and of CSV
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("", "", "application/json"),
    ],
)
async def test_the_form_is_as_asked(api: httpx.AsyncClient, query: str, accept: str, kind: str) -> None:
    answer = await api.get(PATH + query, headers={"accept": accept})
    assert answer.headers["content-type"].startswith(kind)
    assert "accept" in answer.headers["vary"]


@pytest.mark.parametrize("query", ["?format=xml", "?format=", "?format=csv&format=csv"])
async def test_another_form_is_a_problem(api: httpx.AsyncClient, query: str) -> None:
    for path in (PATH, "/v1/views", "/v1/views/ops_payout_backlog/entities"):
        answer = await api.get(path + query)
        assert (answer.status_code, answer.json()["parameter"]) == (400, "format")


async def test_csv_has_the_rows_and_says_how_new_they_are(api: httpx.AsyncClient, replica: Replica) -> None:
    await booked(replica)
    answer = await api.get(PATH, params={"format": "csv", "step": "5m"})
    assert answer.headers["content-disposition"] == 'attachment; filename="kpi_gmv.csv"'
    first, _ = read(answer)
    assert list(first) == [
        "t",
        *GMV.dimensions,
        *(measure.name for measure in GMV.measures),
        "as_of",
        "complete",
    ]
    assert (first["city"], first["gmv_minor"], first["booking_minor_p50"]) == ("city0", str(2**53 - 1), "")
    assert (first["as_of"], first["complete"]) == ("2026-03-01T12:00:00Z", "true")


async def test_csv_of_nothing_has_its_heading(api: httpx.AsyncClient) -> None:
    for path in (PATH, "/v1/views/ops_payout_backlog/entities"):
        answer = await api.get(path, params={"format": "csv"})
        assert answer.text.count("\r\n") == 1
        assert answer.text.startswith(("city,currency,bookings", "payout_id,city,state,occurred_at"))


async def test_flat_json_is_an_array_of_flat_objects(api: httpx.AsyncClient, replica: Replica) -> None:
    await booked(replica)
    whole, flat = (await api.get(PATH)).json(), (await api.get(PATH, params={"format": "flat"})).json()
    assert flat == [{**row, "as_of": whole["as_of"], "complete": True} for row in whole["rows"]]
    listed = (await api.get("/v1/views", params={"format": "flat"})).json()
    assert [view["name"] for view in listed] == list(VIEWS)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "%0A=1", "|cmd", '=HYPERLINK("x")']
)
def test_a_text_is_no_formula(text: str) -> None:
    rows: list[dict[str, Any]] = [
        {"id": text, "n": -5, "x": -0.5, "city": None, "open": True, "list": ["a", "b"]}
    ]
    written = to_csv(["id", "n", "x", "city", "open", "list"], rows).decode()
    _, (first, *rest) = csv.reader(io.StringIO(written, newline=""))
    assert first == f"'{text}"
    assert rest == ["-5", "-0.5", "", "true", "a b"], "a number is a number"


async def test_texts_of_csv_come_back_whole(api: httpx.AsyncClient, replica: Replica) -> None:
    ids = ['a"b', "a,b", "a\nb", "é", " "]
    members = [True, 10**15, 0, "e", None, "GBP", 5, None, "p1"]
    await feed(replica, *(entity(PAYOUTS, one, members) for one in ids), checkpoint(7, NOW_S))
    answer = await api.get("/v1/views/ops_payout_backlog/entities", headers={"accept": "text/csv"})
    assert sorted(row["payout_id"] for row in read(answer)) == sorted(ids)


async def test_pages_are_linked_in_every_form(api: httpx.AsyncClient, replica: Replica) -> None:
    members = [True, 10**15, 0, "e", None, "GBP", 5, None, "p1"]
    await feed(replica, *(entity(PAYOUTS, f"po{n}", members) for n in range(5)), checkpoint(7, NOW_S))
    for form in ("json", "flat", "csv"):
        path = f"/v1/views/ops_payout_backlog/entities?state=open&limit=2&format={form}"
        texts = []
        while path:
            answer = await api.get(path)
            texts.append(answer.text)
            path = answer.links.get("next", {}).get("url", "")
        assert len(texts) == 3
        assert all(f"po{n}" in texts[n // 2] for n in range(5))


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate", "gzip"),
        ("gzip;q=1.0, zstd;q=0.5", "zstd"),
        ("zstd;q=0, gzip", "gzip"),
        ("*", "zstd"),
        ("identity", None),
        ("gzip;q=0.000", None),
        ("br", None),
        ("", None),
    ],
)
async def test_large_answers_are_packed(
    api: httpx.AsyncClient, replica: Replica, accepted: str, coding: str | None
) -> None:
    await booked(replica, cities=100)
    plain = await api.get(PATH, headers={"accept-encoding": "identity"})
    async with api.stream("GET", PATH, headers={"accept-encoding": accepted}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == coding
    assert "accept-encoding" in answer.headers["vary"]
    if coding == "zstd":
        raw = zstd.decompress(raw)
    assert len(raw) == len(plain.content) if coding != "gzip" else len(raw) < len(plain.content) / 2


async def test_what_has_not_changed_is_not_sent_again(api: httpx.AsyncClient, replica: Replica) -> None:
    window = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T12:00:00Z"}
    await booked(replica)
    first = await api.get(PATH, params=window)
    tag = first.headers["etag"]
    for known in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
        answer = await api.get(PATH, params=window, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert isinstance(replica.clock, SetClock)
    replica.clock.now += 1
    assert (await api.get(PATH, params=window, headers={"if-none-match": tag})).status_code == 304
    others = [
        await api.get(PATH, params={**window, "city": "city1"}, headers={"if-none-match": tag}),
        await api.get(PATH, params={**window, "format": "csv"}, headers={"if-none-match": tag}),
    ]
    await booked(replica, offset=2)  # the same sums, of a later checkpoint
    others.append(await api.get(PATH, params=window, headers={"if-none-match": tag}))
    assert [answer.status_code for answer in others] == [200] * 3
    assert len({answer.headers["etag"] for answer in [first, *others]}) == 4


async def test_entities_and_the_list_have_tags_too(api: httpx.AsyncClient, replica: Replica) -> None:
    await booked(replica)
    for path in ("/v1/views", "/v1/views/ops_payout_backlog/entities"):
        tag = (await api.get(path)).headers["etag"]
        assert (await api.get(path, headers={"if-none-match": tag})).status_code == 304
