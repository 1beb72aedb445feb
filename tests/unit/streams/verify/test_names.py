"""Dimensions and measures may be called whatever a declaration allows: like words of SQL, like columns of the
proof's own tables, with digits in their names."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.catalogue import EVENTS
from schemas.spec import EventSpec
from schemas.types import Id, Payload
from schemas.validation.fast_path import event_struct, payload_struct
from streams.verify.answer import Answer
from streams.verify.explain import explained
from streams.verify.proof import State, proving
from streams.verify.records import Records
from streams.verify.wish import Wish
from tables.spec.entity_measures import Count, Oldest, Total
from tables.spec.fields import Kind
from tables.spec.measures import Absolute, Difference, Ratio, Unit
from tables.spec.problems import problems
from tables.spec.tracked import Kept, Selection, Stage, Tracked
from tables.spec.view import Entity, View
from tables.spec.windowed import DistinctCount, Quantile, Sum, Term, Windowed
from tests.support.feed_records import TOPIC
from tests.support.proofs import SECONDS, Event, bench, line, when

NAME = "seat.sold"
DIMENSIONS = ("city", "order", "tier_2", "origin", "offset")
TRACKS = Tracked(
    id_fields=("order",),
    stages=(Stage(NAME, "end", 0, opens=True),),
    keep=(*map(Kept, DIMENSIONS[1:]), Kept("amount", Kind.WHOLE)),
    selections=(Selection("end", "Sold", ("end",)),),
)
OF_ENTITIES = (
    Count("group", "Seats", "end"),
    Total("amount", "Their price", "end", "amount", unit=Unit.COUNT),
    Oldest("desc_seconds", "The oldest", "end"),
)
TERM, PRICE = (Term(NAME),), (Term(NAME, "amount"),)
OF_WINDOW = (
    Sum("left", "Seats", TERM),
    Sum("happened", "Their price", PRICE),
    Difference("select", "The rest", ("happened",), ("left",)),
    Absolute("table", "It, positive", "select"),
    Ratio("where", "A seat's price", ("happened",), ("left",)),
    Quantile("event_id", "The middle price", 0.5, PRICE),
    DistinctCount("topic", "Orders", (Term(NAME, "order"),)),
)
VIEWS = {
    "windowed": Windowed(name="table", description="T", dimensions=DIMENSIONS, measures=OF_WINDOW),
    "entity": Entity(
        name="order", description="O", dimensions=DIMENSIONS, measures=OF_ENTITIES, tracks=TRACKS
    ),
    "both": Windowed(
        name="both", description="B", dimensions=DIMENSIONS, measures=(*OF_WINDOW, *OF_ENTITIES),
        tracks=TRACKS,
    ),
}  # fmt: skip
ROW = {
    "left": 1, "happened": 5, "select": 4, "table": 4, "where": 5.0, "event_id": 5, "topic": 1, "group": 1,
    "amount": 5, "desc_seconds": 59 * 60,
}  # fmt: skip


class SeatSold(Payload):
    """A seat was sold."""

    order: Id
    tier_2: Id
    origin: Id
    offset: Id
    amount: int


@pytest.mark.parametrize("kind", VIEWS)
async def test_a_view_of_whatever_names_is_proved_and_explained(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = EventSpec(name=NAME, payload=SeatSold, examples=(), counter_examples=())
    monkeypatch.setitem(EVENTS, NAME, spec)
    view = VIEWS[kind]
    known = {NAME: event_struct(spec, payload_struct(SeatSold))}
    assert problems(view, known) == [], "it may be declared"
    events = [sold(0, "1", "gold"), sold(1, "2", "plain"), sold(2, "3", "gold", "e0")]
    row = {name: ROW[name] for name in (measure.name for measure in view.measures)}
    rows = [{**dimensions("1", "gold"), **row}]
    found = await explain(view, events, rows, tier_2=["gold"])
    assert (found["notes"], found["differences"], found["adds_up"]) == ([], [], True)
    for newest in found["newest"]:
        assert newest["event_id"] == "e0"
        assert {name: newest[name] for name in DIMENSIONS} == dimensions("1", "gold")
    (added,) = found["events"]
    assert added["records"] == len(found["newest"]) > 0
    assert {name: added[name] for name in added if name in ROW} == {
        name: row[name] for name in row if name in added
    }
    assert {one["why"]: one["records"] for one in found["left_out"]}["duplicate"] >= 1


def sold(offset: int, order: str, tier: str, event_id: str = "") -> Event:
    payload = {**dimensions(order, tier), "amount": 5}
    return Event(offset, 1, 1, event_id or f"e{offset}", payload, NAME)


def dimensions(order: str, tier: str) -> dict[str, Any]:
    return {"city": "lisbon", "order": order, "tier_2": tier, "origin": "here", "offset": "front"}


async def explain(
    view: View, events: list[Event], rows: list[dict[str, Any]], **filters: list[str | None]
) -> dict[str, Any]:
    partition = {
        "topic": TOPIC, "partition": 0, "first_offset": 0, "checkpoint_offset": 9, "watermark": when(1),
    }  # fmt: skip
    window = (
        {"from": when(0), "to": when(60)} if isinstance(view, Windowed) else dict.fromkeys(("from", "to"))
    )
    said = {"as_of": when(60), **window, "since": None, "partitions": [partition], "rows": rows}
    answer = Answer.of(view, said, filters=filters)
    with_ = bench()

    async def load(records: Records, wish: Wish) -> list[str]:
        await records.add_events([line(event) for event in events], "bronze")
        return []

    async with proving(answer, with_, load, SECONDS) as (verdict, records):
        assert verdict.state is State.EQUAL, verdict
        return await explained(records, verdict, answer, with_.limits)
