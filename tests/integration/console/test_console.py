"""The console as people meet it, in headless Chromium over a real pipeline, which is broken at the end."""

from __future__ import annotations

import re
import signal
import uuid
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser, Request, expect

from streams.embedded.broker import EmbeddedKafka
from tables.spec.tile import GROUPS
from tests.support.browser import chromium, needs_chromium
from tests.support.console import CAMPAIGNS, CITIES, MONEY, SESSION_SECONDS, Pipeline, running, token_of
from tests.support.console_page import FIGURES, LIVE, Visit, violations, visiting
from tests.support.console_tiles import (
    rows_of,
    texts_of,
    texts_shown,
    tiles_of,
    units_of,
    values_of,
    values_shown,
    written,
)
from tests.support.gates import payment
from tests.support.patience import PATIENCE

pytestmark = [needs_chromium, pytest.mark.timeout(600)]  # two browsers' worth of pages on a busy machine
PHONE = 360
SHOWN_SECONDS = 2


@pytest.fixture(scope="module")
def pipeline(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    prefix = f"t{uuid.uuid4().hex[:10]}-"
    with running(tmp_path_factory.mktemp("console"), kafka.bootstrap, prefix) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def browser(pipeline: Pipeline) -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def kept(pipeline: Pipeline, browser: Browser) -> Iterator[Visit]:
    with visiting(browser, pipeline.url) as visit:
        yield visit


@pytest.fixture
def visit(kept: Visit) -> Iterator[Visit]:
    """A page that was loaded once; each test looks at what of it it wants."""
    yield kept
    kept.check()
    kept.page.keyboard.press("Escape")


@pytest.mark.parametrize("group", GROUPS)
def test_each_tile_shows_the_apis_numbers(group: str, pipeline: Pipeline, visit: Visit) -> None:
    page = visit.look(tab=group)
    tiles = tiles_of(pipeline, group)
    assert tiles
    for tile in tiles:
        found = page.locator(f"[data-tile={tile['tile']}]")
        expect(found.locator(LIVE)).to_be_visible()
        more = found.get_by_role("button", name=re.compile(r"All \d+ rows"))
        if more.count():
            more.first.click()
        told, units = rows_of(pipeline, tile), units_of(pipeline, tile["view"])
        assert told, f"{tile['title']}: the market has none of it"
        assert values_shown(found, units) == values_of(tile, told, units), tile["title"]
        assert texts_of(tile, told, units) <= texts_shown(found), tile["title"]


def test_a_week_is_drawn_by_day_and_is_a_table_too(pipeline: Pipeline, visit: Visit) -> None:
    answer = pipeline.json("/v1/views/kpi_gmv", group_by="currency", window="7d", step="1d", tz="UTC")
    newest = {row["currency"]: row["gmv_minor"] for row in answer["rows"]}  # by `t`: the last one stays
    assert newest.keys() > MONEY.keys()
    page = visit.look()
    for currency, minor in newest.items():
        group = page.locator(f"[data-tile=kpi_gmv-0] [data-currency={currency}]")
        expect(group.locator("canvas")).to_have_count(2)  # it is drawn, and so are bookings
        group.get_by_text("GMV as a table").click()
        days = group.locator("tbody").first.locator("tr")
        expect(days).to_have_count(7)
        expect(days.last).to_contain_text(str(written(minor, "minor", currency)))
    with page.expect_download() as download:
        group.get_by_role("link", name="CSV of GMV by day").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 1 + len(answer["rows"])


def test_it_is_live_and_an_alarm_is_on_every_page(pipeline: Pipeline, visit: Visit) -> None:
    page = visit.look(tab="Operations", currency="GBP")
    tile = page.locator("[data-tile=ops_recon_variance-0]")
    charges = tile.get_by_role("button", name="london Charges:").locator("data")
    before = int(charges.get_attribute("value") or 0)
    folder = pipeline.sluice.folder
    record = payment("charge.succeeded", 12_345, "live")
    (folder / "live.ndjson").write_bytes((record.value or b"") + b"\n")
    assert pipeline.sluice.run("replay", str(folder / "live.ndjson")).returncode == 0
    expect(charges).to_have_attribute("value", str(before + 12_345))
    expect(tile.locator(".state.alarm").first).to_be_visible()
    for group in GROUPS:
        page.get_by_role("navigation").get_by_role("link", name=group).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(group)
        expect(page.get_by_role("alert")).to_contain_text("critical alarm")
    expect(page).to_have_title(re.compile(r"^\(!\) "))


def test_a_closed_gate_is_shown_that_has_nothing_in_the_window(pipeline: Pipeline, visit: Visit) -> None:
    filters = {"city": "berlin", "currency": "JPY"}
    assert pipeline.json("/v1/views/ops_recon_variance", window="1h", **filters)["rows"] == []
    (gate,) = pipeline.json("/v1/gates/recon", **filters)["rows"]
    assert (gate["state"], gate["open"]) == ("alarm", False)
    tile = visit.look(tab="Operations", window="1h", **filters).locator("[data-tile=ops_recon_variance-0]")
    cells = tile.locator("tbody").first.locator("th, td")
    expect(cells.nth(2)).to_contain_text("alarm, closed")
    assert cells.all_inner_texts()[:2] == ["berlin", "JPY"]
    assert set(cells.all_inner_texts()[3:]) == {"–"}


def test_the_address_is_what_is_looked_at(pipeline: Pipeline, browser: Browser) -> None:
    with visiting(browser, pipeline.url) as visit:
        page = visit.page
        page.get_by_label("City").select_option("london")
        page.get_by_label("Window").select_option("1h")
        page.get_by_label("Time zone").select_option("Europe/Lisbon")
        page.get_by_role("link", name="Operations").click()
        expect(page).to_have_url(f"{pipeline.url}/?tab=Operations&city=london&window=1h&tz=Europe%2FLisbon")
        backlog = page.locator("[data-tile=ops_payout_backlog-0]")
        expect(backlog.locator(LIVE)).to_be_visible()
        rows = pipeline.json("/v1/views/ops_payout_backlog", group_by="currency", city="london")["rows"]
        expect(backlog.locator("[data-measure=backlog] data")).to_have_attribute(
            "value", str(rows[0]["backlog"])
        )
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Executive")
        page.reload()
        expect(page.get_by_label("City")).to_have_value("london")
        page.go_back()
        page.go_back()
        page.go_back()
        expect(page.get_by_label("City")).to_have_value("")
        expect(page).to_have_url(f"{pipeline.url}/")


def test_every_number_is_explained_and_is_a_file(pipeline: Pipeline, visit: Visit) -> None:
    page = visit.look()
    gmv = page.locator("[data-tile=kpi_gmv-0] [data-currency=GBP] [data-measure=gmv_minor]")
    value = gmv.locator("data").get_attribute("value")
    gmv.click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("Value of the bookings confirmed.")
    expect(drawer.locator("data").first).to_have_attribute("value", str(value))
    for partition in pipeline.json("/v1/views/kpi_gmv")["partitions"]:
        expect(drawer).to_contain_text(f"{partition['checkpoint_offset']:,}")
    with page.expect_download() as download:
        drawer.get_by_role("link", name=re.compile("These rows as CSV")).click()
    lines = download.value.path().read_text().splitlines()
    head = "city,currency,bookings,gmv_minor,"
    assert lines[0].startswith(head)
    cities = {line.partition(",")[0] for line in lines[1:]}
    assert {"", "london"} >= cities >= {"london"}
    assert sum(int(line.split(",")[3]) for line in lines[1:]) == int(value or 0)


@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_it_is_that_number_whatever_its_row_is_called(campaign: str, visit: Visit) -> None:
    page = visit.look(tab="Promotions", city="berlin")
    named = page.get_by_role("rowheader", name=campaign, exact=True)
    number = page.locator("[data-tile=promo_performance-0] tr", has=named).locator(
        "[data-measure=impressions]"
    )
    number.click()
    rows = page.get_by_role("region", name="Impressions by").locator("tbody tr")
    expect(rows).to_have_count(1)
    cells = [text.strip() for text in rows.locator("th, td").all_inner_texts()]
    assert cells == [campaign.strip(), "berlin", str(1 + CAMPAIGNS.index(campaign))]


def test_the_events_behind_a_number_add_up_to_it(pipeline: Pipeline, visit: Visit) -> None:
    page = visit.look(city="berlin", currency="JPY")
    page.locator("[data-tile=kpi_gmv-0] [data-measure=gmv_minor]").click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_role("button", name="The events behind it").click()
    expect(drawer.get_by_role("status")).to_contain_text("They add up to these rows.")
    asked = pipeline.json("/v1/views/kpi_gmv/explain", city="berlin", currency="JPY")
    added = drawer.get_by_role("region", name="What each kind of event adds")
    expect(added.locator("tbody tr")).to_have_count(len(asked["events"]))
    newest = drawer.get_by_role("region", name="The newest")
    expect(newest).to_contain_text(asked["newest"][0]["event_id"])
    expect(newest).to_contain_text(str(written(asked["newest"][0]["amount"], "minor", "JPY")))
    assert violations(page, "dialog") == []


def test_entities_are_listed_oldest_first(pipeline: Pipeline, visit: Visit) -> None:
    rows = pipeline.json("/v1/views/ops_payout_backlog/entities", state="open", limit="50")["rows"]
    page = visit.look(tab="Operations")
    backlog = page.locator("[data-tile=ops_payout_backlog-0]")
    backlog.get_by_role("button", name="Open", exact=True).click()
    ids = page.get_by_role("dialog").locator("tbody th")
    expect(ids.first).to_have_text(rows[0]["payout_id"])
    assert ids.all_inner_texts() == [row["payout_id"] for row in rows[:25]]


@pytest.mark.parametrize("group", GROUPS)
def test_nobody_is_kept_out(group: str, visit: Visit) -> None:
    page = visit.look(tab=group)
    expect(page.locator(f"section {LIVE}").first).to_be_visible()
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, "html", "color-contrast") == []
    page.locator(FIGURES).first.click()
    expect(page.get_by_role("dialog").locator("table").first).to_be_visible()
    assert violations(page, "dialog") == []
    page.emulate_media(color_scheme="light")


def test_the_keyboard_reaches_everything_and_comes_back(visit: Visit) -> None:
    page = visit.look()
    page.reload()
    expect(page.locator(LIVE).first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the numbers")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Executive")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Operations")
    figure = page.locator("[data-tile=ops_payout_backlog-0]").locator(FIGURES).first
    expect(figure).to_be_visible()
    reached = "document.activeElement.closest('[data-tile=ops_payout_backlog-0]') !== null"
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(reached):
            break
    expect(figure).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog")
    expect(drawer).to_be_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(figure).to_be_focused()


def test_it_fits_a_phone(visit: Visit) -> None:
    page = visit.page
    page.set_viewport_size({"width": PHONE, "height": 800})
    for group in GROUPS:
        visit.look(tab=group)
        expect(page.locator(f"section {LIVE}").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE, group
        page.locator(FIGURES).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert page.evaluate("document.querySelector('dialog').scrollWidth") <= PHONE, group
        page.keyboard.press("Escape")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_an_analyst_sees_his_cities_alone(pipeline: Pipeline, browser: Browser) -> None:
    with visiting(browser, pipeline.url, "ana") as visit:
        page = visit.page
        expect(page.get_by_label("City").locator("option")).to_have_text(["All", "london"])
        for group in GROUPS:
            visit.look(tab=group)
            told = page.locator("[data-trust=refused]" if group == "Experiments" else f"section {LIVE}")
            expect(told.first).to_be_visible()
            said = page.locator("main").inner_text()
            assert not [city for city in CITIES if city != "london" and city in said], group
        expect(page.locator("[data-tile=bad-records]")).to_contain_text("of no city")
        experiments = visit.look(tab="Experiments").locator("[data-tile=exp_metric_cuped-0]")
        expect(experiments).to_contain_text("analysts with the city * alone")
        impressions = visit.look().locator("[data-tile=kpi_funnel-0] [data-measure=impressions] data")
        rows = pipeline.json("/v1/views/kpi_funnel", "ana", group_by="")["rows"]
        expect(impressions).to_have_attribute("value", str(rows[0]["impressions"]))
        assert rows != pipeline.json("/v1/views/kpi_funnel", group_by="")["rows"]


def test_who_is_not_known_logs_in(pipeline: Pipeline, browser: Browser) -> None:
    with visiting(browser, pipeline.url, None) as visit:
        page = visit.page
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("status")).to_have_text("This token is not known.")
        assert violations(page) == []
        page.get_by_label("Token").fill(token_of("ana"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Executive")
        expect(page.locator(LIVE).first).to_be_visible()
        page.get_by_role("button", name="Log out ana").click()
        expect(page.get_by_label("Token")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0
        # That nobody has logged in is all there is.
        visit.complaints[:] = [one for one in visit.complaints if "401" not in one]


def test_the_pipeline_page_tells_who_reads_and_what_is_bad(pipeline: Pipeline, visit: Visit) -> None:
    page = visit.look(tab="Pipeline")
    asked = pipeline.json("/v1/pipeline")
    partitions = page.locator("[data-tile=partitions] tbody tr")
    expect(partitions).to_have_count(len(asked["rows"]))
    for row in asked["rows"]:
        shown_row = partitions.filter(has_text=f"{row['topic']} {row['partition']}")
        expect(shown_row).to_contain_text(row["worker"])
        expect(shown_row).to_contain_text(f"{row['checkpoint_offset']:,}")
    expect(page.locator("[data-tile=views] tbody tr")).to_have_count(min(25, len(asked["views"])))
    bad = pipeline.json("/v1/quarantine")
    samples = page.locator("[data-tile=bad-records] tbody tr")
    expect(samples).to_have_count(min(25, len(bad["rows"])))
    texts = samples.locator(".sample").all_inner_texts()
    assert any("payload" in text and "#" in text for text in texts), texts


@pytest.mark.parametrize(
    ("group", "label", "path"),
    [
        ("Operations", "CSV of Alarms", "/v1/alarms"),
        ("Operations", "CSV of Gates", "/v1/gates/recon"),
        ("Pipeline", "CSV of Partitions", "/v1/pipeline"),
        ("Pipeline", "CSV of Views", "/v1/pipeline/views"),
        ("Pipeline", "CSV of Bad records", "/v1/quarantine"),
    ],
)
def test_each_table_is_a_file(group: str, label: str, path: str, pipeline: Pipeline, visit: Visit) -> None:
    page = visit.look(tab=group)
    with page.expect_download() as download:
        page.get_by_role("link", name=label, exact=True).click()
    told = pipeline.get(path, format="csv").text.splitlines()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) > 1
    assert (lines[0], len(lines)) == (told[0], len(told))


def test_a_killed_worker_shows_and_so_does_its_return(pipeline: Pipeline, visit: Visit) -> None:
    page = visit.look()
    tile = page.locator("[data-tile=kpi_gmv-0]")
    expect(tile.locator(LIVE)).to_be_visible()
    before = tile.evaluate("one => getComputedStyle(one).borderTopStyle")
    pipeline.worker.kill()
    bound_ms = 1000 * (SESSION_SECONDS + SHOWN_SECONDS) * PATIENCE
    stale = tile.locator("[data-trust=stale]")
    expect(stale).to_contain_text("Stale or incomplete", timeout=bound_ms)
    expect(tile.locator(".why")).to_contain_text(f"no worker has reported on it for {SESSION_SECONDS} s")
    shown = tile.evaluate("one => getComputedStyle(one).borderTopStyle")
    assert shown != before, "not by its colour alone"
    expect(page.get_by_role("status")).to_contain_text("GMV and bookings")
    expect(visit.look(tab="Pipeline").locator("[data-tile=partitions]")).to_contain_text(
        "no worker has reported"
    )
    visit.look()
    pipeline.worker.start()
    expect(tile.locator(LIVE)).to_be_visible()


def again(path: str, times: int) -> Callable[[Request], bool]:
    """Whether a request is the one that asks a path for so many times."""
    left = count(times, -1)
    return lambda request: path in request.url and next(left) == 1


def test_an_api_that_hangs_is_not_taken_for_live(pipeline: Pipeline, browser: Browser, visit: Visit) -> None:
    with visiting(browser, pipeline.url) as other:
        operations, page = visit.look(tab="Operations"), other.look(tab="Pipeline")
        found = [
            operations.locator("[data-tile=ops_recon_variance-0]"),
            operations.locator("[data-tile=ops_payout_backlog-0]"),
            page.locator("[data-tile=partitions]"),
            page.locator("[data-tile=views]"),
        ]
        for tile in found:
            expect(tile.locator(LIVE)).to_be_visible()
        pipeline.api.signal(signal.SIGSTOP)
        # What hangs is given up and asked anew: of the gates the first request may be one that hangs.
        with (
            operations.expect_request(again("/v1/stream", 1)),
            operations.expect_request(again("/v1/gates", 2)),
            page.expect_request(again("/v1/pipeline", 2)),
        ):
            for tile in found:
                expect(tile.locator(".why")).to_contain_text("the api has said nothing for")
                expect(tile).to_have_class(re.compile("stale"))
            expect(operations.locator(".banner.unknown")).to_contain_text("The alarms are not known now")
        pipeline.api.signal(signal.SIGCONT)
        for tile in found:
            expect(tile.locator(LIVE)).to_be_visible()
        expect(operations.locator(".banner.unknown")).to_have_count(0)
