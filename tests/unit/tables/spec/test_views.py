"""Declarations: complete, free of contradictions, and hashed over what is computed alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.validation.fast_path import EVENT_TYPES
from tables.fold.entities import EntityStore
from tables.fold.panes import PaneStore
from tables.fold.windowed import compile_folds
from tables.spec.problems import problems
from tables.spec.views import (
    Count,
    Deadline,
    Difference,
    Entity,
    Kept,
    Kind,
    Ratio,
    Selection,
    Stage,
    Sum,
    Term,
    Total,
    Tracked,
    Unit,
    View,
    Windowed,
)
from tables.views import VIEWS
from tables.views.kpi_funnel import KPI_FUNNEL
from tables.views.kpi_gmv import KPI_GMV
from tables.views.ops_payout_backlog import OPS_PAYOUT_BACKLOG


@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
def test_every_view_is_without_contradiction_and_its_events_and_fields_exist(view: View) -> None:
    assert problems(view) == []
    assert view.events <= set(EVENT_TYPES)
    if isinstance(view, Windowed):
        assert compile_folds({view: PaneStore("", len(view.sums))}, EVENT_TYPES)
    if view.tracks:
        EntityStore(view.name, "", view.tracks, EVENT_TYPES, 0)


def test_every_view_is_listed_under_its_name_and_all_hashes_differ() -> None:
    assert all(name == view.name for name, view in VIEWS.items())
    assert len({view.definition_hash for view in VIEWS.values()}) == len(VIEWS)


def test_a_view_with_amounts_has_money() -> None:
    assert KPI_GMV.has_money
    assert not KPI_FUNNEL.has_money


def test_prose_and_derived_measures_do_not_change_the_hash() -> None:
    renamed = replace(KPI_GMV, description="", measures=KPI_GMV.measures[:-1])
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
        replace(KPI_GMV, measures=(*KPI_GMV.measures[:-2], ALL_FEES)),
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
    assert problems(view) == [
        "v.n: closed is no selection",
        "v.m: price is not kept",
        "v: n is there twice",
        "v.n: needs later, which is no earlier measure",
        "v.r: needs missing, which is no earlier measure",
        "v: dimension size is not kept",
        "v: two stages share an event or a rank",
        "v: no stage opens an entity",
        "v: selection open names a state that no stage leads to",
        "v: selection due has a deadline on what is no kept time",
        "v: selection big compares a field that is not kept",
        "v: selection begun is not the state of that name",
    ]


def test_unknown_events_and_fields_are_named() -> None:
    view = Windowed("v", "", ("city",), (Sum("n", "", (Term("no.such"),)),))
    with pytest.raises(ValueError, match=r"view v: there is no event no\.such in the catalogue"):
        compile_folds({view: PaneStore("", 1)}, EVENT_TYPES)
    view = Windowed("v", "", ("planet",), (Sum("n", "", (Term("search.click", "price", (("sort", "x"),)),)),))
    with pytest.raises(ValueError, match=r"view v: event search\.click has no field planet, price, sort"):
        compile_folds({view: PaneStore("", 1)}, EVENT_TYPES)
    tracks = replace(OPS_PAYOUT_BACKLOG.tracks, id_fields=("no_id",))
    with pytest.raises(ValueError, match=r"view v: event payout\.initiated has no field no_id"):
        EntityStore("v", "", tracks, EVENT_TYPES, 0)
    tracks = replace(OPS_PAYOUT_BACKLOG.tracks, keep=(Kept("colour"),))
    with pytest.raises(ValueError, match="view v: none of its events has a field colour"):
        EntityStore("v", "", tracks, EVENT_TYPES, 0)


def test_units_are_told() -> None:
    units = {measure.name: measure.unit for measure in OPS_PAYOUT_BACKLOG.measures}
    assert units.pop("oldest_seconds") is Unit.SECONDS
    assert all((unit is Unit.MINOR) == name.endswith("_minor") for name, unit in units.items())
