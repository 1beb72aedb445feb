"""The events behind a row, against records made by hand."""

from __future__ import annotations

from typing import Any

from streams.verify.answer import Answer
from streams.verify.explain import explained
from streams.verify.proof import proving
from streams.verify.records import Cities, Records
from streams.verify.wish import Wish
from tables.views import VIEWS
from tests.support.feed_records import TOPIC
from tests.support.proofs import SECONDS, Event, bench, line, when

BENCH = bench(dedupe_seconds=600, pane_hours=5, closed_hours=1)
END = 240
"""The minute that all partitions have come to, and at which the window ends."""


async def ask(
    view: str,
    events: list[Event],
    rows: list[dict[str, Any]],
    cities: Cities = None,
    *,
    sums_others: bool = False,
    **filters: list[str | None],
) -> dict[str, Any]:
    """What explains these rows of a view, over the window's four hours."""
    windowed = VIEWS[view].kind == "windowed"
    partition = {
        "topic": TOPIC, "partition": 0, "first_offset": 0, "checkpoint_offset": 1000, "watermark": when(END),
    }  # fmt: skip
    said = {
        "as_of": when(END), "from": when(0) if windowed else None, "to": when(END) if windowed else None,
        "since": None, "partitions": [partition], "rows": rows,
    }  # fmt: skip
    answer = Answer.of(VIEWS[view], said, filters=filters, sums_others=sums_others)

    async def load(records: Records, wish: Wish) -> list[str]:
        wanted = [event for event in events if wish(f"event={event.name}/dt={when(event.occurred)[:10]}/")]
        await records.add_events([line(event) for event in wanted], "bronze")
        return []

    async with proving(answer, BENCH, load, SECONDS, cities) as (verdict, records):
        return await explained(records, verdict, answer, BENCH.limits)


def booked(offset: int, occurred: float, amount: int, event_id: str = "", **more: Any) -> Event:
    payload = {"booking_id": f"b{offset}", "amount_minor": amount, "currency": more.pop("currency", "EUR")}
    return Event(offset, occurred, occurred, event_id or f"e{offset}", payload, "booking.confirmed", **more)


def fee(offset: int, occurred: float, amount: int, kind: str = "platform") -> Event:
    payload = {"fee_id": "f", "kind": kind, "amount_minor": amount, "currency": "EUR"}
    return Event(offset, occurred, occurred, f"e{offset}", payload, "fee.assessed")


GMV = {
    "bookings": 0, "gmv_minor": 0, "cancellations": 0, "cancelled_minor": 0, "platform_fees_minor": 0,
    "take_rate": None, "booking_minor_p50": None, "booking_minor_p95": None,
}  # fmt: skip
MARKET = [
    booked(0, 10, 500), booked(1, 20, 700), booked(2, 21, 700, "e1"),
    fee(3, 30, 60), fee(4, 30, 999, "processing"),
    Event(5, 400, 400, "tick"), booked(6, 50, 900), booked(7, 200, 100, city="porto"),
    booked(8, 210, 10**6, currency="JPY"), booked(9, 220, 1, city=None),
]  # fmt: skip
LISBON = {
    "city": "lisbon", "currency": "EUR", **GMV, "bookings": 2, "gmv_minor": 1200, "platform_fees_minor": 60,
    "take_rate": 0.05, "booking_minor_p50": 500, "booking_minor_p95": 700,
}  # fmt: skip


async def test_a_row_is_what_its_events_add_up_to() -> None:
    events = [event for event in MARKET if event.offset not in (5, 6)]
    found = await ask("kpi_gmv", events, [LISBON], city=["lisbon"], currency=["EUR"])
    assert (found["adds_up"], found["differences"], found["notes"]) == (True, [], [])
    nothing = dict.fromkeys(("bookings", "gmv_minor", "cancellations", "cancelled_minor"), 0)
    assert found["events"] == [
        {
            "event": "booking.confirmed", "currency": "EUR", "records": 2, **nothing, "bookings": 2,
            "gmv_minor": 1200, "platform_fees_minor": 0,
        },
        {"event": "fee.assessed", "currency": "EUR", "records": 1, **nothing, "platform_fees_minor": 60},
    ]  # fmt: skip
    assert [event["offset"] for event in found["newest"]] == [3, 1, 0]
    assert [(event["offset"], event["amount"]) for event in found["largest"]] == [(1, 700), (0, 500), (3, 60)]
    assert found["newest"][1] == {
        "event_id": "e1", "event": "booking.confirmed", "occurred_at": when(20), "topic": TOPIC,
        "partition": 0, "offset": 1, "amount": 700, "city": "lisbon", "currency": "EUR",
    }  # fmt: skip
    assert found["sources"] == {"bronze": 3}


async def test_what_is_left_out_is_told_with_why() -> None:
    events = [*MARKET, booked(10, -1, 5)._replace(kafka=230)]
    found = await ask("kpi_gmv", events, [LISBON], city=["lisbon"], currency=["EUR"])
    left_out = {one["why"]: one for one in found["left_out"]}
    assert {why: one["records"] for why, one in left_out.items()} == {"duplicate": 1, "late": 1}
    (twin,) = left_out["duplicate"]["examples"]
    assert (twin["offset"], twin["because"]) == (
        2, "offset 1 of its partition has its event_id (SLUICE_DEDUPE_SECONDS 600)",
    )  # fmt: skip
    (late,) = left_out["late"]["examples"]
    assert (late["offset"], late["because"]) == (
        6, f"its partition had come to {when(400)} by then (SLUICE_PANE_HOURS 5)",
    )  # fmt: skip
    assert found["adds_up"] is True, "late is judged by all events where the own ones do not add up"


async def test_a_row_that_its_events_do_not_add_up_to_is_shown() -> None:
    wrong = {**LISBON, "gmv_minor": 1201, "take_rate": 60 / 1201}
    found = await ask("kpi_gmv", MARKET, [wrong], city=["lisbon"], currency=["EUR"])
    assert found["adds_up"] is False
    differing = {one["measure"]: (one["live"], one["computed"]) for one in found["differences"]}
    assert differing == {"gmv_minor": (1201, 1200), "take_rate": (60 / 1201, 0.05)}


async def test_whether_events_add_up_is_not_known_where_some_are_summed_as_other() -> None:
    """With room for one city, that of the first event: what the others add is in `_other`."""
    events = [booked(0, 10, 500), booked(1, 11, 700, city="porto"), booked(2, 12, 900, city="faro")]
    others = {**LISBON, "city": "_other", "bookings": 2, "gmv_minor": 1600}
    whole = await ask("kpi_gmv", events, [others, LISBON])
    of_porto = await ask("kpi_gmv", events, [], sums_others=True, city=["porto"])
    for found in (whole, of_porto):
        assert (found["adds_up"], found["differences"]) == (None, [])
        (note,) = found["notes"]
        assert "SLUICE_MAX_GROUPS" in note
    assert sum(row["gmv_minor"] for row in whole["events"]) == 2100
    assert [event["offset"] for event in of_porto["newest"]] == [1]


async def test_nothing_of_other_cities_is_looked_at() -> None:
    hidden = booked(11, 20, 700, "e12", city="porto")
    twin = booked(12, 25, 123, "e12")
    found = await ask("kpi_gmv", [*MARKET, hidden, twin], [LISBON], cities=["lisbon"], currency=["EUR"])
    assert found["adds_up"] is True
    assert "porto" not in str(found)
    because = [
        event["because"] for one in found["left_out"] for event in one["examples"] if event["offset"] == 12
    ]
    assert because == ["an earlier record of its partition has its event_id (SLUICE_DEDUPE_SECONDS 600)"]
    assert all(event["city"] == "lisbon" for event in found["newest"] + found["largest"])


async def test_null_is_a_city_too() -> None:
    row = {"city": None, "currency": "EUR", **GMV, "bookings": 1, "gmv_minor": 1, "take_rate": 0.0}
    row |= {"booking_minor_p50": 1, "booking_minor_p95": 1}
    found = await ask("kpi_gmv", MARKET, [row], city=[None])
    assert found["adds_up"] is True
    assert [event["offset"] for event in found["newest"]] == [9]


def payout(offset: int, state: str, occurred: float, payout_id: str, amount: int = 100) -> Event:
    payload = {"payout_id": payout_id, "amount_minor": amount, "currency": "EUR", "due_at": when(10)}
    return Event(offset, occurred, occurred, f"p{offset}", payload, f"payout.{state}")


async def test_entities_are_behind_a_row_by_their_latest_event() -> None:
    events = [
        payout(0, "initiated", 1, "a", 5), payout(1, "initiated", 2, "b", 7), payout(2, "failed", 3, "b", 7),
        payout(3, "initiated", 1, "c"), payout(4, "paid", 2, "c"), payout(5, "initiated", 235, "d", 9),
        payout(6, "paid", 236, "d", 9),
    ]  # fmt: skip
    row = {
        "city": "lisbon", "currency": "EUR", "open": 1, "open_minor": 5, "overdue": 1, "overdue_minor": 5,
        "failed": 1, "failed_minor": 7, "backlog": 2, "backlog_minor": 12, "oldest_seconds": 239 * 60,
    }  # fmt: skip
    found = await ask("ops_payout_backlog", events, [row])
    assert found["adds_up"] is True
    shown = {(one["event"], one["records"], one["backlog_minor"]) for one in found["events"]}
    assert shown == {("payout.failed", 1, 7), ("payout.initiated", 1, 5)}
    assert [event["offset"] for event in found["newest"]] == [2, 0]
    left_out = {one["why"]: [event["offset"] for event in one["examples"]] for one in found["left_out"]}
    assert left_out == {"followed": [5, 1, 3], "forgotten": [4]}


async def test_the_events_of_an_experiment_are_exposures_and_what_counts() -> None:
    def event(offset: int, name: str, occurred: float, **payload: Any) -> Event:
        return Event(offset, occurred, occurred, f"e{offset}", {"user_id": "u", **payload}, name)

    exposure = {"exp_key": "x", "variant": "control", "covariate": None}
    events = [
        event(0, "experiment.exposure", 10, **exposure), event(1, "experiment.exposure", 11, **exposure),
        event(2, "checkout.start", 9), event(3, "checkout.start", 12), event(4, "checkout.start", 13),
    ]  # fmt: skip
    names = [measure.name for measure in VIEWS["exp_metric_cuped"].measures]
    row = {
        "exp_key": "x", "variant": "control", **dict.fromkeys(names), "users": 1, "y_sum": 2, "crossovers": 0,
        "mean_y": 2.0, "mean_cuped": 2.0, "theta": 0.0,
    }  # fmt: skip
    found = await ask("exp_metric_cuped", events, [row])
    assert found["adds_up"] is True
    assert found["events"] == [
        {"event": "checkout.start", "records": 2, "users": 0, "y_sum": 2},
        {"event": "experiment.exposure", "records": 1, "users": 1, "y_sum": 0},
    ]
    assert [(one["why"], one["records"]) for one in found["left_out"]] == [("followed", 1)]
