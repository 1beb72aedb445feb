"""Views of other domains need a declaration and no more: filters, other dimensions, two ids, a budget."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tables.codec import decode_partial
from tables.fold.limits import Limits
from tables.fold.state import PartitionState
from tables.keys import EntityKey, WindowedKey, parse_key
from tables.spec.entity_measures import Total
from tables.spec.fields import Kind
from tables.spec.measures import Ratio, Unit
from tables.spec.problems import problems
from tables.spec.tracked import Kept, Selection, Stage, Tracked
from tables.spec.view import Entity, View
from tables.spec.windowed import DistinctCount, Sum, Term, Windowed
from tests.support.decoded import decoded_for


class Event(msgspec.Struct):
    payload: Any
    event_id: str
    city: str | None = "ulm"


class Shown(msgspec.Struct):
    campaign_id: str
    valid: bool = True


class Money(msgspec.Struct):
    campaign_id: str
    amount_minor: int
    currency: str


class Used(msgspec.Struct):
    studio_id: str
    quantity: int = 1


class Scored(msgspec.Struct):
    subject_id: str
    subject_kind: str
    bucket: Literal["clear", "watch"]


class Impression(Event):
    payload: Shown


class Click(Event):
    payload: Shown


class Spend(Event):
    payload: Money


class Budget(Event):
    payload: Money


class AmenityUsed(Event):
    payload: Used


class RiskScored(Event):
    payload: Scored


TYPES: dict[str, type[Any]] = {
    "promo.impression": Impression,
    "promo.click": Click,
    "promo.spend": Spend,
    "promo.budget": Budget,
    "amenity.used": AmenityUsed,
    "risk.scored": RiskScored,
}

VALID, INVALID = (("valid", True),), (("valid", False),)

PERFORMANCE = Windowed(
    "promo_performance",
    "",
    ("campaign_id", "city"),
    (
        Sum("impressions", "", (Term("promo.impression", where=VALID),)),
        Sum("clicks", "", (Term("promo.click", where=VALID),)),
        Sum("invalid", "", (Term("promo.impression", where=INVALID), Term("promo.click", where=INVALID))),
        Ratio("ctr", "", ("clicks",), ("impressions",)),
        Ratio("invalid_rate", "", ("invalid",), ("impressions", "clicks", "invalid")),
    ),
)
SPEND = Windowed(
    "promo_spend",
    "",
    ("campaign_id", "currency"),
    (
        Sum("spend_minor", "", (Term("promo.spend", "amount_minor"),), Unit.MINOR),
        Total("budget_minor", "", "latest", "amount_minor", null_if_none=True),
        Ratio("spend_ratio", "", ("spend_minor",), ("budget_minor",)),
    ),
    tracks=Tracked(
        id_fields=("currency", "campaign_id"),
        stages=(Stage("promo.budget", "set", 0, opens=True),),
        keep=(Kept("campaign_id"), Kept("currency"), Kept("amount_minor", Kind.WHOLE)),
        selections=(Selection("latest", "", ("set",)),),
    ),
)
STUDIO = Windowed(
    "studio_ops", "", ("city",), (Sum("amenity_uses", "", (Term("amenity.used", "quantity"),)),)
)
RISK = Entity(
    "trust_risk",
    "",
    ("city", "subject_kind"),
    (),
    Tracked(
        id_fields=("subject_kind", "subject_id"),
        stages=(Stage("risk.scored", "scored", 0, opens=True),),
        keep=(Kept("subject_kind"), Kept("bucket")),
        selections=(Selection("clear", "", ("scored",), where=(("bucket", "clear"),)),),
    ),
)
ALL: list[View] = [PERFORMANCE, SPEND, STUDIO, RISK]


def folded(*payloads: Any) -> tuple[dict[str, dict[Any, list[int]]], dict[str, dict[str, list[Any]]]]:
    """(view → group → sums), (view → entity id → kept fields) after these events, in one minute each."""
    state = PartitionState("t", ALL, Limits(60, 1, 60, 1), TYPES)
    count = len(payloads)
    events = [event(payload, f"e{n}") for n, (event, payload) in enumerate(payloads)]
    times = [n * 1_000_000 for n in range(count)]
    state.fold(decoded_for(state, events, times), [0] * count, first_offset=0, next_offset=count, now_ms=0)
    groups: dict[str, dict[Any, list[int]]] = {}
    entities: dict[str, dict[str, list[Any]]] = {}
    for key, value in state.changes(0):
        parsed = parse_key(key)
        assert value is not None
        if isinstance(parsed, WindowedKey):
            groups[parsed.view] = dict(decode_partial(value))
        if isinstance(parsed, EntityKey):
            entities.setdefault(parsed.view, {})[parsed.entity_id] = msgspec.msgpack.decode(value)[5:]
    return groups, entities


def test_they_are_without_contradiction() -> None:
    assert [problems(view, TYPES) for view in ALL] == [[], [], [], []]


def test_one_event_may_add_to_one_sum_or_another() -> None:
    shown, click = Shown("c"), Shown("c", valid=False)
    groups, _ = folded((Impression, shown), (Impression, shown), (Click, shown), (Click, click))
    assert groups["promo_performance"] == {("c", "ulm"): [2, 1, 1]}


def test_an_amount_may_be_any_whole_field() -> None:
    groups, _ = folded((AmenityUsed, Used("s", 3)), (AmenityUsed, Used("s")))
    assert groups["studio_ops"] == {("ulm",): [4]}


def test_a_windowed_view_may_have_entities_beside_it_and_keeps_the_city() -> None:
    spend, budget = Money("c", 5, "EUR"), Money("c", 70, "EUR")
    groups, entities = folded((Spend, spend), (Budget, budget), (Budget, Money("c", 60, "EUR")))
    assert groups["promo_spend"] == {("c", "EUR", "ulm"): [5]}
    assert entities["promo_spend"] == {"EUR:c": ["c", "EUR", 60]}


def test_an_entity_may_be_named_by_two_fields() -> None:
    _, entities = folded((RiskScored, Scored("a:b", "user", "clear")))
    assert entities["trust_risk"] == {"user:a:b": ["user", "clear"]}


class Odd(msgspec.Struct):
    """Fields that are named as other things are."""

    minute: int
    key: int
    cell: int
    find_0: str
    kept: str
    event: str
    payload: str


class OddEvent(Event):
    payload: Odd


def test_fields_may_be_named_as_anything_else_is() -> None:
    key = ("find_0", "kept", "event", "payload", "city")
    sums = tuple(Sum(f"all_{name}", "", (Term("odd", name),)) for name in ("minute", "key", "cell"))
    view = Windowed("odd", "", key, (*sums, DistinctCount("kinds", "", (Term("odd", "event"),))))
    assert problems(view, {"odd": OddEvent}) == []
    state = PartitionState("t", [view], Limits(60, 1, 60, 1), {"odd": OddEvent})
    events = [OddEvent(Odd(5, 6, 7, "a", "b", "c", "d"), f"e{number}") for number in range(2)]
    batch = decoded_for(state, events, [600_000_000, 601_000_000])
    state.fold(batch, [0, 0], first_offset=0, next_offset=2, now_ms=0)
    panes = {parse_key(key): value for key, value in state.changes(0)}
    (pane,) = (key for key in panes if isinstance(key, WindowedKey))
    assert (pane.unit, pane.number) == ("m", 10)
    ((group, row),) = decode_partial(panes[pane] or b"")
    assert (group, row[:3]) == (("a", "b", "c", "d", "ulm"), [10, 12, 14])


class InTown(msgspec.Struct):
    city: int


class InTownEvent(Event):
    payload: InTown


def test_the_city_is_no_amount() -> None:
    for payload, events in ((InTownEvent, {"in.town": InTownEvent}), (Click, {"in.town": Click})):
        view = Windowed("v", "", ("city",), (Sum("s", "", (Term("in.town", "city"),)),))
        assert any("city is the envelope's" in problem for problem in problems(view, events)), payload
