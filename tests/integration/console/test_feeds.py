"""The console over feeds that are seldom: of views that began late, many alarms, gates that expire."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, expect

from schemas.times import format_time
from tables.gates.alarms import Alarm
from tables.gates.overrides import Decision
from tables.gates.rule import GateState
from tables.views import VIEWS
from tests.support.browser import chromium, needs_chromium
from tests.support.console_feed import console_over
from tests.support.console_page import visiting
from tests.support.feed_records import checkpoint, heartbeat, partial
from tests.support.gate_records import gate_record
from tests.support.replica import NOW_S

pytestmark = needs_chromium
GMV = VIEWS["kpi_gmv"]
DAY_S = 86_400
TODAY_S = NOW_S - DAY_S / 2
HEARD = heartbeat((0, 5, 5, None))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_days_that_a_view_may_lack_are_not_zero(browser: Browser) -> None:
    booked = [
        partial(GMV, "m", int(TODAY_S) // 60 - ago * 1440, [(("london", "GBP"), (2, 700, 0, 0, 0))])
        for ago in (0, 2, 4)
    ]
    began = int((TODAY_S - 2.5 * DAY_S) * 1_000_000)
    late = checkpoint(5, NOW_S, partial_until={"kpi_gmv": began})
    with console_over(*booked, late, HEARD) as url, visiting(browser, url, None) as visit:
        tile = visit.page.locator("[data-tile=kpi_gmv-0]")
        expect(tile.locator("> [data-trust=live]")).to_be_visible()  # of 24 hours, it has all
        figure = tile.locator("figure").first
        expect(figure.locator(".warning")).to_contain_text(
            f"events from before {format_time(began)} may be missing"
        )
        figure.get_by_text("GMV as a table").click()
        days = figure.locator("tbody td").all_inner_texts()
        assert days == [*["not known"] * 4, "7.00 GBP", "0.00 GBP", "7.00 GBP"]


def test_a_whole_week_has_no_warning(browser: Browser) -> None:
    booked = partial(GMV, "m", int(TODAY_S) // 60, [(("london", "HUF"), (2, 123_400, 0, 0, 0))])
    with console_over(booked, checkpoint(5, NOW_S), HEARD) as url, visiting(browser, url, None) as visit:
        figure = visit.page.locator("[data-tile=kpi_gmv-0] figure").first
        figure.get_by_text("GMV as a table").click()
        assert figure.locator("tbody td").all_inner_texts() == [*["0.00 HUF"] * 6, "1,234.00 HUF"]
        expect(figure.locator(".warning")).to_have_count(0)


def test_a_gate_is_closed_once_it_has_expired(browser: Browser) -> None:
    # The api's clock stands, so it says for ever that the gate is open: the page has to know better.
    fresh = gate_record("london", age=14)
    with (
        console_over(checkpoint(5, NOW_S), HEARD, gates=[fresh]) as url,
        visiting(browser, url, None) as visit,
    ):
        row = visit.look(tab="Operations").locator("[data-tile=ops_recon_variance-0] tbody tr")
        expect(row).to_contain_text("stale, closed")
        expect(row).to_contain_text("no evaluation has come since")
        assert httpx.get(f"{url}/v1/gates/recon").json()["rows"][0]["open"] is True


def alarm(number: int, severity: str) -> Alarm:
    at = format_time(int((NOW_S - 1000 + number) * 1_000_000))
    code = {"critical": "PIPELINE_LAG_EXCEEDED", "warning": "EVENT_SCHEMA_INVALID"}[severity]
    return Alarm(
        alarm_id=f"a{number}",
        code=code,
        severity=severity,
        subject=f"events.raw-{number}",
        state="raised",
        at=at,
        detail="…",
    )


def test_an_old_critical_alarm_is_not_crowded_out(browser: Browser) -> None:
    alarms = [
        alarm(0, "critical"),
        alarm(1, "critical"),
        *(alarm(number, "warning") for number in range(2, 203)),
    ]
    with (
        console_over(checkpoint(5, NOW_S), HEARD, alarms=alarms) as url,
        visiting(browser, url, None) as visit,
    ):
        banner = visit.page.get_by_role("alert")
        expect(banner).to_contain_text("2 critical alarms are open")
        expect(banner.locator("li")).to_have_text(["events.raw-1: …", "events.raw-0: …"])


def test_gates_of_other_views_are_on_the_page_of_their_view(browser: Browser) -> None:
    decided = msgspec.structs.replace(
        gate_record("london", state=GateState.ALARM), gate="payout_backlog", reason="3 payouts are overdue",
        variance_minor=None, open=True, override=Decision.OPEN, override_by="olga",
        override_reason="ticket 7",
        override_at=format_time(int(NOW_S * 1e6)), override_until=format_time(int((NOW_S + 3600) * 1e6)),
    )  # fmt: skip
    paris = {"city": "paris", "currency": "EUR"}
    ok = msgspec.structs.replace(decided, **paris, key=paris, state=GateState.OK, override=None)
    campaign = msgspec.structs.replace(
        ok, gate="promo_overspend", key={"campaign_id": "summer|sale", "currency": "GBP"}, city=None
    )
    with (
        console_over(checkpoint(5, NOW_S), HEARD, gates=[ok, decided, campaign]) as url,
        visiting(browser, url, None) as visit,
    ):
        tile = visit.look(tab="Operations").locator("[data-tile=gate-payout_backlog]")
        first, second = tile.locator("tbody tr").all()
        expect(first).to_contain_text("alarm, open by the decision of olga until")
        expect(first).to_contain_text("ticket 7")
        expect(second).to_contain_text("paris")
        expect(visit.page.locator("[data-tile=gate-promo_overspend]")).to_have_count(0)
        tile = visit.look(tab="Promotions").locator("[data-tile=gate-promo_overspend]")
        expect(tile.locator("tbody tr")).to_contain_text("summer|sale")
