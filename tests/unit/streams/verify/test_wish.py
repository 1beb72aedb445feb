"""Which objects of Bronze are read to prove an answer."""

from __future__ import annotations

from typing import Any

import pytest

from streams.verify.answer import Answer
from streams.verify.wish import own_wish
from tables.views import VIEWS

NAME = "events.raw+0+00000000000000000000-00000000000000000009.ndjson.gz"
HEAD: dict[str, Any] = {
    "as_of": "2026-03-02T00:30:00Z", "from": "2026-03-01T23:30:00Z", "to": "2026-03-02T00:30:00Z",
    "since": None, "partitions": [], "rows": [],
}  # fmt: skip


def wanted(view: str, everything: bool = False) -> list[str]:
    windowed = VIEWS[view].kind == "windowed"
    head = HEAD if windowed else {**HEAD, "from": None, "to": None}
    wish = own_wish(Answer.of(VIEWS[view], head))
    wish = wish.everything if everything else wish
    paths = [
        f"{folder}dt={day}/{city}{NAME}"
        for folder in (
            "event=promo.spend/", "event=promo.budget/", "event=payout.paid/",
            "_bad/code=EVENT_SCHEMA_INVALID/",
        )
        for day in ("1970-01-01", "2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03")
        for city in (("", "city=lisbon/") if folder == "event=promo.spend/" else ("",))
    ]  # fmt: skip
    assert not wish(f"_commits/events.raw/0/{NAME}")
    return [path.removesuffix(NAME) for path in paths if wish(path)]


def test_of_a_window_the_days_that_it_touches() -> None:
    assert wanted("ops_recon_variance") == [
        "event=payout.paid/dt=2026-03-01/",
        "event=payout.paid/dt=2026-03-02/",
    ]


def test_of_entities_all_there_is() -> None:
    assert len(wanted("ops_payout_backlog")) == 5
    assert {path.split("/")[0] for path in wanted("ops_payout_backlog")} == {"event=payout.paid"}


def test_budgets_whenever_they_came_beside_what_was_spent_in_the_window() -> None:
    found = wanted("promo_spend")
    assert [path for path in found if "spend" in path] == [
        "event=promo.spend/dt=2026-03-01/", "event=promo.spend/dt=2026-03-01/city=lisbon/",
        "event=promo.spend/dt=2026-03-02/", "event=promo.spend/dt=2026-03-02/city=lisbon/",
    ]  # fmt: skip
    assert len([path for path in found if "budget" in path]) == 5


def test_of_records_all_events_and_the_bad_ones() -> None:
    found = wanted("ops_quarantine")
    assert [path for path in found if path.startswith("_bad/")] == [
        f"_bad/code=EVENT_SCHEMA_INVALID/dt={day}/" for day in ("1970-01-01", "2026-03-01", "2026-03-02")
    ]
    assert len({path.split("/")[0] for path in found}) == 4


@pytest.mark.parametrize("view", ["ops_recon_variance", "promo_spend"])
def test_everything_is_all_events_of_all_days(view: str) -> None:
    found = wanted(view, everything=True)
    assert len(found) == 20
    assert not any(path.startswith("_bad/") for path in found)
