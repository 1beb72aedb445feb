"""What is kept of an event: in one tuple, first what is added up, then what each entity view has."""

from __future__ import annotations

from tables.fold.limits import Limits
from tables.fold.readers import instant, reader_of, tuple_of
from tables.fold.state import PartitionState
from tables.views import VIEWS
from tests.oracle.tables import make

LIMITS = Limits(pane_minutes=60, pane_hours=3, dedupe_seconds=60, closed_hours=1)


def test_a_tuple_of_none_one_and_several() -> None:
    assert [eval(tuple_of(values)) for values in ([], ["1"], ["1", "2"])] == [(), (1,), (1, 2)]


def test_what_no_view_looks_at_is_not_kept() -> None:
    state = PartitionState("t", [VIEWS["ops_recon_variance"]], LIMITS)
    click, charge = (make(name, "e", 0, 0, "ulm").event for name in ("search.click", "charge.succeeded"))
    assert click.__class__ not in state.readers
    assert state.readers[charge.__class__](charge) == ("ulm", "EUR", charge.payload.amount_minor)


def test_a_payout_is_kept_for_sums_and_for_the_backlog() -> None:
    state = PartitionState("t", VIEWS.values(), LIMITS)
    paid = make("payout.paid", "e", 0, 0, "ulm", payout_id="p", amount_minor=7).event
    kept = state.readers[paid.__class__](paid)
    assert kept == ("ulm", "EUR", 7, ("p", ("e", "ulm", "EUR", 7, None, "x")))


def test_instants_are_read_as_microseconds() -> None:
    made = make("payout.initiated", "e", 0, 0, "ulm", due_at="2026-03-01T00:00:00.5Z").event
    assert reader_of([instant("due_at")])(made) == (1_772_323_200_500_000,)
