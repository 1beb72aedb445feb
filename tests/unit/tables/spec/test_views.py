"""Declarations: complete, free of contradictions, and hashed over what is computed alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas.extensions import Extension, ExtensionError
from schemas.validation.fast_path import EVENT_TYPES
from tables.spec.declaration_error import DeclarationError
from tables.spec.entity_measures import Count, Total
from tables.spec.fields import Kind
from tables.spec.measures import Difference, Measure, Ratio, Unit
from tables.spec.problems import checked, problems, with_extensions
from tables.spec.tracked import Deadline, Kept, Selection, Stage, Tracked
from tables.spec.view import Entity, View
from tables.spec.windowed import DistinctCount, Quantile, Sum, Term, Windowed
from tables.views import VIEWS
from tables.views.kpi_funnel import KPI_FUNNEL
from tables.views.kpi_gmv import KPI_GMV
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG


@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
def test_every_view_is_without_contradiction_and_its_events_and_fields_exist(view: View) -> None:
    assert problems(view, EVENT_TYPES) == []
    assert view.events <= set(EVENT_TYPES)


def test_every_view_is_listed_under_its_name_and_all_hashes_differ() -> None:
    assert all(name == view.name for name, view in VIEWS.items())
    assert len({view.definition_hash for view in VIEWS.values()}) == len(VIEWS)


def test_a_view_with_amounts_has_money() -> None:
    assert KPI_GMV.has_money
    assert not KPI_FUNNEL.has_money


def test_prose_and_derived_measures_do_not_change_the_hash() -> None:
    renamed = replace(KPI_GMV, description="", measures=(*KPI_GMV.measures[:5], *KPI_GMV.measures[6:]))
    assert renamed.definition_hash == KPI_GMV.definition_hash
    looked_at_otherwise = replace(OPS_PAYOUT_BACKLOG, measures=(), description="")
    assert looked_at_otherwise.definition_hash == OPS_PAYOUT_BACKLOG.definition_hash


ALL_FEES = Sum("platform_fees_minor", "", (Term("fee.assessed", "amount_minor"),), Unit.MINOR)


@pytest.mark.parametrize(
    "changed",
    [
        replace(KPI_GMV, dimensions=("city",)),
        replace(KPI_GMV, measures=KPI_GMV.measures[1:]),
        replace(KPI_GMV, measures=(KPI_GMV.measures[1], KPI_GMV.measures[0], *KPI_GMV.measures[2:])),
        replace(KPI_GMV, measures=(*KPI_GMV.measures[:4], ALL_FEES, *KPI_GMV.measures[5:])),
        replace(KPI_GMV, measures=KPI_GMV.measures[:-2]),
        replace(KPI_GMV, tracks=OPS_PAYOUT_BACKLOG.tracks),
    ],
)
def test_what_is_computed_changes_the_hash(changed: Windowed) -> None:
    assert changed.definition_hash != KPI_GMV.definition_hash


def test_what_is_kept_of_an_entity_changes_the_hash() -> None:
    tracks = OPS_PAYOUT_BACKLOG.tracks
    for changed in (
        replace(tracks, keep=tracks.keep[:-1]),
        replace(tracks, stages=(replace(tracks.stages[0], rank=9), *tracks.stages[1:])),
        replace(tracks, stages=(*tracks.stages[:-1], replace(tracks.stages[-1], closes=False))),
        replace(tracks, id_fields=("provider_id",)),
    ):
        assert (
            replace(OPS_PAYOUT_BACKLOG, tracks=changed).definition_hash != OPS_PAYOUT_BACKLOG.definition_hash
        )


def test_the_city_is_kept_where_it_is_no_dimension() -> None:
    assert replace(KPI_GMV, dimensions=("currency",)).key == ("currency", "city")
    assert KPI_GMV.key == ("city", "currency")


def test_contradictions_are_named() -> None:
    tracks = Tracked(
        id_fields=("id",),
        stages=(Stage("a.a", "begun", 0), Stage("a.b", "done", 0)),
        keep=(Kept("amount_minor", Kind.WHOLE),),
        selections=(
            Selection("open", "", ("beginning",)),
            Selection("due", "", ("begun",), Deadline("amount_minor", until_seconds=0)),
            Selection("big", "", ("begun",), where=(("size", "big"),)),
            Selection("begun", "", ("begun", "done")),
            Selection("done", "", ("done",)),
        ),
    )
    view = Entity(
        "v",
        "",
        ("city", "size"),
        (
            Count("n", "", "closed"),
            Total("m", "", "open", "price"),
            Difference("n", "", ("n", "later")),
            Ratio("r", "", ("n",), ("missing",)),
        ),
        tracks,
    )
    assert problems(view, {}) == [
        "view v, measure n: closed is no selection: there is open, due, big, begun, done",
        "view v, measure m: price is not kept as a whole number: add it to `keep` with Kind.WHOLE",
        "view v, measure n: is there twice: rename one",
        "view v, measure n: needs later, which is no earlier measure: list it before this one",
        "view v, measure r: needs missing, which is no earlier measure: list it before this one",
        "view v: dimension size is not kept: add it to `keep`",
        "view v: two stages share an event or a rank: give each its own",
        "view v: no stage opens an entity: mark the first one with opens=True",
        "view v: selection open names a state that no stage leads to: there are begun, done",
        "view v: selection due has a deadline on what is no kept time: keep it with Kind.TIME",
        "view v: selection big compares a field that is not kept: add it to `keep`",
        "view v: selection begun is not the state of that name: name it otherwise",
        "view v: there is no event a.a in the catalogue: declare it there",
        "view v: there is no event a.b in the catalogue: declare it there",
    ]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (Kind.NUMBER, ["view v, measure m: score is not kept as a whole number: add"]),
        (Kind.WHOLE, ["view v: field score of risk.scored is not always a whole number: keep"]),
    ],
)
def test_only_whole_numbers_are_kept_as_such_and_added_up(kind: Kind, found: list[str]) -> None:
    tracks = Tracked(
        id_fields=("subject_kind", "subject_id"),
        stages=(Stage("risk.scored", "scored", 0, opens=True),),
        keep=(Kept("score", kind),),
        selections=(Selection("all", "", ("scored",)),),
    )
    view = Entity("v", "", ("city",), (Total("m", "", "all", "score", Unit.COUNT),), tracks)
    lines = problems(view, EVENT_TYPES)
    assert [line.startswith(start) for line, start in zip(lines, found, strict=True)] == [True]


AMOUNT, CLICKER = (Term("booking.confirmed", "amount_minor"),), (Term("search.click", "user_id"),)


@pytest.mark.parametrize(
    ("measure", "what"),
    [
        (Sum("n", "", (Term("no.such"),)), "there is no event no.such in the catalogue: declare"),
        (Sum("n", "", (Term("search.click", "price", (("sort", "x"),)),)),
         "event search.click has no field price, sort"),
        (Sum("n", "", CLICKER), "field user_id of search.click is not always a whole number: take"),
        (Quantile("n", "", 0.5, CLICKER), "field user_id of search.click is not always a whole number: take"),
        (Quantile("n", "", 50, AMOUNT), "q is 50: it must lie between 0 and 1"),
        (Quantile("n", "", 0.5, (Term("search.click"),)), "a term has no field: name"),
        (DistinctCount("n", "", (Term("search.click"),)), "a term has no field: name"),
        (Count("n", "", "open"), "open is no selection: there is none: the view tracks no entities"),
        (DistinctCount("n", "", CLICKER), None),
        (Quantile("n", "", 0, AMOUNT), None),
    ],
)  # fmt: skip
def test_a_wrong_measure_is_named_with_what_to_do(measure: Measure, what: str | None) -> None:
    found = problems(Windowed("v", "", ("city",), (measure,)), EVENT_TYPES)
    assert len(found) == (what is not None)
    assert all(line.startswith(f"view v, measure n: {what}") for line in found)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"id_fields": ("no_id",)},
         "event payout.initiated has no field no_id: take id_fields that all have"),
        ({"keep": (*OPS_PAYOUT_BACKLOG.tracks.keep, Kept("colour"))},
         "none of its events has a field colour: take it out of `keep`"),
        ({"keep": (*OPS_PAYOUT_BACKLOG.tracks.keep, Kept("currency"))},
         "currency is kept twice: take it out of `keep`"),
    ],
)  # fmt: skip
def test_wrong_fields_of_entities_are_named(changes: dict[str, Any], what: str) -> None:
    tracks = replace(OPS_PAYOUT_BACKLOG.tracks, **changes)
    assert f"view ops_payout_backlog: {what}" in problems(
        replace(OPS_PAYOUT_BACKLOG, tracks=tracks), EVENT_TYPES
    )


@pytest.mark.parametrize("name", ["city", "opened", "other_cities"])
def test_what_an_entity_has_anyhow_is_not_kept(name: str) -> None:
    tracks = replace(OPS_PAYOUT_BACKLOG.tracks, keep=(Kept(name),))
    assert f"{name} is kept twice: take it out of `keep`" in list(tracks.problems(EVENT_TYPES))


def test_two_views_of_one_name_are_refused() -> None:
    with pytest.raises(DeclarationError, match="view kpi_gmv: there are two of that name: rename one"):
        checked((KPI_GMV, KPI_FUNNEL, KPI_GMV), EVENT_TYPES)


def test_views_of_sums_have_the_hashes_that_feeds_know_them_by() -> None:
    known = {"ops_payout_backlog": "bd70c988", "ops_recon_variance": "5a1ad8ad", "kpi_funnel": "177c3b2d"}
    assert {name: VIEWS[name].definition_hash for name in known} == known
    assert replace(KPI_GMV, measures=KPI_GMV.measures[:-2]).definition_hash == "41056873"


def test_quantiles_of_the_same_terms_share_a_sketch_and_q_changes_no_hash() -> None:
    assert list(KPI_GMV.sketches.values()) == [("booking_minor_p50", "booking_minor_p95")]
    assert replace(KPI_GMV, measures=KPI_GMV.measures[:-1]).definition_hash == KPI_GMV.definition_hash
    assert KPI_GMV.shard_groups * sum(sketch.kind.most_bytes for sketch in KPI_GMV.sketches) < 1_000_000


def test_numbers_are_described_for_json() -> None:
    described = {m.name: m.schema()["type"] for m in (*KPI_GMV.measures, *OPS_PAYOUT_BACKLOG.measures)}
    assert described["bookings"] == described["open_minor"] == "integer"
    assert described["booking_minor_p50"] == ["integer", "null"]
    assert described["take_rate"] == described["oldest_seconds"] == ["number", "null"]


def test_units_are_told() -> None:
    units = {measure.name: measure.unit for measure in OPS_PAYOUT_BACKLOG.measures}
    assert units.pop("oldest_seconds") is Unit.SECONDS
    assert all((unit is Unit.MINOR) == name.endswith("_minor") for name, unit in units.items())


GIFTS = Windowed("gifts", "", ("city",), (Sum("n", "", (Term("quote.requested"),)),))
STAGES = (Stage("risk.scored", "scored", 0, opens=True),)


def tracking(**changed: Any) -> Entity:
    given = {"id_fields": ("subject_id",), "stages": STAGES, "keep": (), "selections": (), **changed}
    return Entity("v", "", ("city",), (), Tracked(**given))


@pytest.mark.parametrize(
    ("view", "what"),
    [
        (replace(GIFTS, name="gifts-sold"), "gifts-sold is not of a-z"),
        (replace(GIFTS, name="g" * 101), "is not of a-z"),
        (replace(GIFTS, dimensions=("window",)), "dimension window is called like a part of every query"),
        (replace(GIFTS, dimensions=("city", "city")), "a dimension is there twice"),
        (replace(GIFTS, measures=(Sum("t", "", (Term("quote.requested"),)),)), "measure t is called like"),
        (replace(GIFTS, measures=(Sum("class", "", (Term("quote.requested"),)),)), "measure class is not of"),
        (replace(GIFTS, dimensions=("score",), measures=(Sum("n", "", (Term("risk.scored"),)),)),
         "dimension score of risk.scored is no text"),
        (replace(GIFTS, dimensions=("due_at",), measures=(Sum("n", "", (Term("payout.initiated"),)),)),
         "dimension due_at of payout.initiated is no text"),
        (tracking(id_fields=("score",)), "field score of risk.scored is not always a text"),
        (tracking(keep=(Kept("subject_id", Kind.TIME),)), "field subject_id of risk.scored is no time"),
        (tracking(keep=(Kept("score"),)), "field score of risk.scored is no text"),
        (tracking(stages=(replace(STAGES[0], rank=128),)), "a rank is not a whole number from 0 to 127"),
    ],
)  # fmt: skip
def test_what_would_fail_later_is_named(view: View, what: str) -> None:
    found = problems(view, EVENT_TYPES)
    assert any(what in line for line in found), found


def test_a_view_of_an_extension_is_added_under_a_name_of_its_own() -> None:
    added = Extension("acme", "1", (), (GIFTS,))
    wrong_list: Any = ["city"]
    one_alone: Any = Sum("n", "", ())
    assert [*with_extensions(VIEWS, (added,), EVENT_TYPES)] == [*VIEWS, "gifts"]
    for views, said in (
        ((replace(GIFTS, name="kpi_gmv"),), "acme: view kpi_gmv: Sluice declares a view of that name"),
        ((replace(GIFTS, dimensions=wrong_list),), r"acme: view gifts: it is not of the types .*list"),
        ((replace(GIFTS, measures=one_alone),), "acme: view gifts: it is not of the types"),
        ((GIFTS, GIFTS), "acme: view gifts: acme declares a view of that name"),
        (
            (replace(GIFTS, dimensions=("size",)),),
            "acme: view gifts, measure n: event quote.requested has no",
        ),
    ):
        with pytest.raises(ExtensionError, match=f"^{said}"):
            with_extensions(VIEWS, (added._replace(views=views),), EVENT_TYPES)
