"""What the pages say is what is declared."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import pytest

from schemas.catalogue import EVENTS
from schemas.spec import Adapter
from streams.errors import ErrorCode
from streams.site import runbooks as of_errors
from streams.site.build import _Pages, site_files
from streams.site.entries import events, views
from streams.site.runbooks import runbooks
from streams.view_sql.query import sql_of
from tables.spec.measures import Unit
from tables.spec.windowed import Quantile, Sum, Term, Windowed
from tables.views import VIEWS
from tests.support.paths import ROOT

FORMULAS = {
    ("ops_recon_variance", "variance_minor"): "charges_minor − (payouts_minor + refunds_minor + fees_minor)",
    ("ops_recon_variance", "abs_variance_minor"): "|variance_minor|",
    ("ops_recon_variance", "charges_minor"): "Σ amount_minor of charge.succeeded",
    ("kpi_gmv", "bookings"): "number of booking.confirmed",
    ("kpi_gmv", "take_rate"): "platform_fees_minor ÷ gmv_minor; null where the divisor is 0",
    ("kpi_gmv", "platform_fees_minor"): "Σ amount_minor of fee.assessed where kind = platform",
    ("kpi_gmv", "booking_minor_p95"): (
        "value of rank ⌈0.95 · n⌉ of amount_minor of booking.confirmed, within 1 %; null of none"
    ),
    ("promo_performance", "invalid"): (
        "number of promo.impression where valid = false + number of promo.click where valid = false"
    ),
    ("promo_performance", "invalid_rate"): (
        "invalid ÷ (impressions + clicks + invalid); null where the divisor is 0"
    ),
    ("promo_spend", "budget_minor"): "Σ amount_minor of the entities in budgeted; null of none",
    ("ops_quarantine", "quarantined"): "number of records quarantined",
    ("ops_payout_backlog", "backlog"): "number of entities in backlog",
    ("ops_payout_backlog", "oldest_seconds"): (
        "as_of − time of the earliest latest event of the entities in open; null of none"
    ),
}


def test_formulas() -> None:
    found = {(view.name, measure.name): measure.formula for view in views() for measure in view.measures}
    assert {name: found[name] for name in FORMULAS} == FORMULAS
    selections = {(view.name, name): rule for view in views() for name, _, rule in view.selections}
    assert selections["ops_dispute_queue", "due_24h"] == (
        "state is opened and respond_by ≥ as_of and respond_by < as_of + 24 h"
    )
    assert selections["ops_payout_backlog", "backlog"] == "state is initiated or failed"


def test_pages_show_what_is_declared() -> None:
    files = {path: content.decode() for path, content in site_files().items()}
    for event in events():
        page = html.unescape(files[event.page])
        assert set(event.views) == {name for name, view in VIEWS.items() if event.name in view.events}
        assert all(f'href="../views/{name}.html"' in page for name in event.views)
        assert f"event={event.name}/dt=<YYYY-MM-DD>/<topic>+<partition>+" in page
        assert all(f"<code>{name}</code>" in page for name in EVENTS[event.name].payload.model_fields)
        assert all(
            json.dumps(one, ensure_ascii=False) in page for one in EVENTS[event.name].examples[0].values()
        )
        assert files[event.json_path] == (ROOT / event.json_path).read_text("utf-8")
        assert files[event.avro_path] == (ROOT / event.avro_path).read_text("utf-8")
    for view in views():
        page = html.unescape(files[view.page])
        assert all(f'href="../events/{name}.html"' in page for name in view.events)
        assert all(measure.formula in page for measure in view.measures)
        assert (view.sql or "None is printed") in page
        assert (view.sql is None) == (view.name in ("exp_metric_cuped", "ops_quarantine"))
    policies = {re.search(r'Security-Policy" content="([^"]*)"', page) is not None
                for path, page in files.items() if path.endswith(".html")}  # fmt: skip
    assert policies == {True}


def test_every_code_has_its_runbook() -> None:
    found = {one.code: one for one in runbooks()}
    assert set(found) == {code.name for code in ErrorCode}
    assert all("<p>" in one.steps or "<ol>" in one.steps for one in found.values())
    assert not re.search("<h[12]", "".join(one.steps for one in found.values()))


def test_without_the_documents_the_site_says_where_runbooks_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_errors, "ROOT", ROOT / "no such folder")
    assert "Its runbook is in docs/runbooks/gate-alarm.md" in html.unescape(
        site_files()["errors.html"].decode()
    )


def test_what_is_declared_is_text() -> None:
    pages = _Pages(dict.fromkeys(("style", "script", "index", "icon"), "x"))
    (view,) = (view for view in views() if view.name == "kpi_gmv")
    pages.add("a.html", "view.html.j2", "<b>", view=view._replace(description="<script>&"), events=[])
    assert b"&lt;script&gt;&amp;" in pages.files["a.html"]
    assert b"<b>" not in pages.files["a.html"]


def test_an_adapter_is_shown_by_its_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Adapter(
        of=2, to=1, adapt=lambda event: event["payload"], examples=(({"euros": 1}, {"cents": 100}),)
    )
    monkeypatch.setitem(EVENTS, "payout.paid", replace(EVENTS["payout.paid"], adapters=(step,)))
    (event,) = (event for event in events() if event.name == "payout.paid")
    pages = _Pages(dict.fromkeys(("style", "script", "index", "icon"), "x"))
    pages.add("a.html", "event.html.j2", "payout.paid", event=event, views=[])
    page = html.unescape(pages.files["a.html"].decode())
    assert re.search(r'From version 2 to 1.*"euros": 1.*"cents": 100', page, re.DOTALL)
    assert "quarantined as" not in page


def test_no_sql_of_what_no_test_holds() -> None:
    clicks = Sum("clicks", "Clicks", (Term("search.click"),))
    twice = (Term("search.click", "position"), Term("search.click", "position", (("user_id", None),)))
    middle = Quantile("middle", "Middle of the positions, those of nobody counted twice", 0.5, twice)
    view = Windowed(name="v", description="V", dimensions=("city",), measures=(clicks,))
    assert clicks.unit is Unit.COUNT
    assert "count(*) FILTER (WHERE event = 'search.click') AS \"clicks\"" in (sql_of(view) or "")
    assert (
        sql_of(Windowed(name="v", description="V", dimensions=("city",), measures=(clicks, middle))) is None
    )
