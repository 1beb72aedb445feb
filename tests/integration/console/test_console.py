"""The console as people meet it, in headless Chromium over a real pipeline."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from streams.embedded.broker import EmbeddedKafka
from tables.spec.tile import GROUPS
from tests.support.browser import chromium, needs_chromium, page_of
from tests.support.console import CITIES, Pipeline, running, shown, token_of
from tests.support.gates import payment

pytestmark = [needs_chromium, pytest.mark.timeout(600)]  # two browsers' worth of pages on a busy machine
PHONE = 360
LIVE, FIGURES = "[data-trust=live]", ".figure"


@pytest.fixture(scope="module")
def pipeline(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    prefix = f"t{uuid.uuid4().hex[:10]}-"
    with running(tmp_path_factory.mktemp("console"), kafka.bootstrap, prefix) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def address(**parts: str) -> str:
    return f"/?{urlencode(parts)}"


def tiles_of(pipeline: Pipeline, group: str) -> list[dict[str, Any]]:
    return [tile for tile in pipeline.json("/v1/console")["tiles"] if tile["group"] == group]


def answer_to(pipeline: Pipeline, tile: dict[str, Any], **asked: str) -> dict[str, Any]:
    """What the api answers to what a tile shows."""
    group_by = {} if tile["kind"] == "intervals" else {"group_by": ",".join(tile["group_by"])}
    found: dict[str, Any] = pipeline.json(f"/v1/views/{tile['view']}", window="24h", **group_by, **asked)
    return found


def unit_of(pipeline: Pipeline, view: str) -> dict[str, str]:
    (listed,) = (one for one in pipeline.json("/v1/views")["views"] if one["name"] == view)
    return {name: about["unit"] for name, about in listed["about"].items()}


def expected(tile: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """The measures of a row that the tile shows."""
    if tile["kind"] == "intervals":
        return [
            "users",
            "mean_cuped",
            "diff",
            "always_valid_low",
            "always_valid_high",
            "srm_p",
            "crossovers",
        ]
    return [*tile["measures"], *tile["rates"]]


def written(value: Any, unit: str, currency: str | None) -> str | None:
    """A number as the page should write it; None where that is not asked."""
    if value is None:
        return "–"
    if unit == "minor":
        amount = Decimal(value).scaleb(-2)
        return f"{'−' if amount < 0 else ''}{abs(amount):,.2f} {currency}"
    return f"{value:,}" if unit == "count" else None


def figures(tile: Locator) -> list[tuple[str, str, str]]:
    """Measure, value and text of all that a tile shows."""
    found: list[tuple[str, str, str]] = tile.locator(FIGURES).evaluate_all(
        "all => all.map(one => [one.dataset.measure, one.firstElementChild.value, one.innerText.trim()])"
    )
    return [(name, value, text) for name, value, text in found]


@pytest.mark.parametrize("group", GROUPS)
def test_each_tile_shows_the_apis_numbers(group: str, pipeline: Pipeline, browser: Browser) -> None:
    with shown(browser, pipeline, address(tab=group)) as page:
        tiles = tiles_of(pipeline, group)
        assert tiles
        for tile in tiles:
            found = page.locator(f"[data-tile={tile['tile']}]")
            expect(found.locator(LIVE)).to_be_visible()
            answer, units = answer_to(pipeline, tile), unit_of(pipeline, tile["view"])
            assert answer["complete"] is True
            rows = [row for row in answer["rows"] if any(row[name] for name in tile["measures"])]
            if tile["kind"] != "table":
                rows = answer["rows"]
            assert rows, f"{tile['title']}: the market has none of it"
            wanted: Counter[tuple[str, Any]] = Counter()
            texts: set[str] = set()
            for row in rows:
                for name in expected(tile, row):
                    aged = units[name] == "seconds" and row[name] is not None
                    wanted[name, "aged" if aged else row[name]] += 1
                    text = None if aged else written(row[name], units[name], row.get("currency"))
                    texts |= {text} if text is not None else set()
            more = found.get_by_role("button", name=re.compile(r"All \d+ rows"))
            if more.count():
                more.click()
            seen: Counter[tuple[str, Any]] = Counter()
            for name, value, _ in figures(found):
                number = json.loads(value) if value else None
                seen[name, "aged" if units[name] == "seconds" and number is not None else number] += 1
            assert seen == wanted, tile["title"]
            assert texts <= {text for _, _, text in figures(found)}, tile["title"]


def test_a_week_is_drawn_by_day_and_is_a_table_too(pipeline: Pipeline, browser: Browser) -> None:
    answer = pipeline.json("/v1/views/kpi_gmv", group_by="currency", window="7d", step="1d", tz="UTC")
    newest = {row["currency"]: row["gmv_minor"] for row in answer["rows"]}  # by `t`: the last one stays
    with shown(browser, pipeline, "/") as page:
        for currency, minor in newest.items():
            group = page.locator(f"[data-tile=kpi_gmv-0] [data-currency={currency}]")
            expect(group.locator("canvas")).to_have_count(2)  # it is drawn, and so are bookings
            group.get_by_text("GMV as a table").click()
            days = group.locator("tbody").first.locator("tr")
            expect(days).to_have_count(7)
            expect(days.last).to_contain_text(str(written(minor, "minor", currency)))


def test_it_is_live_and_an_alarm_is_on_every_page(pipeline: Pipeline, browser: Browser) -> None:
    with shown(browser, pipeline, address(tab="Operations", currency="GBP")) as page:
        charges = page.locator("[data-tile=ops_recon_variance-0]").get_by_role(
            "button", name="london Charges:"
        )
        before = int(charges.locator("data").get_attribute("value") or 0)
        folder = pipeline.sluice.folder
        record = payment("charge.succeeded", 12_345, "live")
        (folder / "live.ndjson").write_bytes((record.value or b"") + b"\n")
        assert pipeline.sluice.run("replay", str(folder / "live.ndjson")).returncode == 0
        expect(charges.locator("data")).to_have_attribute("value", str(before + 12_345))
        expect(page.locator("[data-tile=ops_recon_variance-0] .state.alarm").first).to_be_visible()
        for group in GROUPS:
            page.get_by_role("navigation").get_by_role("link", name=group).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(group)
            expect(page.get_by_role("alert")).to_contain_text("critical alarm")
        expect(page).to_have_title(re.compile(r"^\(!\) "))


def test_the_address_is_what_is_looked_at(pipeline: Pipeline, browser: Browser) -> None:
    with shown(browser, pipeline, "/") as page:
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


def test_every_number_is_explained_and_is_a_file(pipeline: Pipeline, browser: Browser) -> None:
    with shown(browser, pipeline, "/") as page:
        gmv = page.locator("[data-tile=kpi_gmv-0] [data-currency=GBP] [data-measure=gmv_minor]")
        value = gmv.locator("data").get_attribute("value")
        gmv.click()
        drawer = page.get_by_role("dialog")
        expect(drawer).to_contain_text("Value of the bookings confirmed.")
        expect(drawer.locator("data").first).to_have_attribute("value", str(value))
        for partition in pipeline.json("/v1/views/kpi_gmv")["partitions"]:
            expect(drawer).to_contain_text(f"{partition['checkpoint_offset']:,}")
        with page.expect_download() as download:
            drawer.get_by_role("link", name=re.compile("as CSV")).click()
        lines = download.value.path().read_text().splitlines()
        head = "city,currency,bookings,gmv_minor,"
        assert lines[0].startswith(head)
        cities = {line.partition(",")[0] for line in lines[1:]}
        assert {"", "london"} >= cities >= {"london"}
        assert sum(int(line.split(",")[3]) for line in lines[1:]) == int(value or 0)


def test_entities_are_listed_oldest_first(pipeline: Pipeline, browser: Browser) -> None:
    (state,) = [s for s in ("failed", "open") if pipeline.json(
        "/v1/views/ops_payout_backlog/entities", state=s)["rows"]][:1]  # fmt: skip
    rows = pipeline.json("/v1/views/ops_payout_backlog/entities", state=state, limit="50")["rows"]
    with shown(browser, pipeline, address(tab="Operations")) as page:
        backlog = page.locator("[data-tile=ops_payout_backlog-0]")
        backlog.get_by_role("button", name=state.capitalize(), exact=True).click()
        ids = page.get_by_role("dialog").locator("tbody th")
        expect(ids.first).to_have_text(rows[0]["payout_id"])
        assert ids.all_inner_texts() == [row["payout_id"] for row in rows[:25]]


@pytest.mark.parametrize("group", GROUPS)
def test_nobody_is_kept_out(group: str, pipeline: Pipeline, browser: Browser) -> None:
    with shown(browser, pipeline, address(tab=group)) as page:
        expect(page.locator(f"section {LIVE}").first).to_be_visible()
        assert violations(page) == []
        page.emulate_media(color_scheme="dark")
        assert violations(page) == []
        page.locator(FIGURES).first.click()
        expect(page.get_by_role("dialog").locator("table").first).to_be_visible()
        assert violations(page) == []


def violations(page: Page) -> list[tuple[str, str]]:
    # Preloading would fetch the page's own style sheets anew.
    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found]


def test_the_keyboard_reaches_everything_and_comes_back(pipeline: Pipeline, browser: Browser) -> None:
    with shown(browser, pipeline, "/") as page:
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


def test_it_fits_a_phone(pipeline: Pipeline, browser: Browser) -> None:
    with shown(browser, pipeline, "/", width=PHONE) as page:
        for group in GROUPS:
            page.get_by_role("navigation").get_by_role("link", name=group).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(group)
            expect(page.locator(f"section {LIVE}").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE, group
            page.locator(FIGURES).first.click()
            expect(page.get_by_role("dialog")).to_be_visible()
            assert page.evaluate("document.querySelector('dialog').scrollWidth") <= PHONE, group
            page.keyboard.press("Escape")


def test_an_analyst_sees_his_cities_alone(pipeline: Pipeline, browser: Browser) -> None:
    with shown(browser, pipeline, "/", analyst="ana") as page:
        expect(page.get_by_label("City").locator("option")).to_have_text(["All", "london"])
        for group in GROUPS:
            page.get_by_role("navigation").get_by_role("link", name=group).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(group)
            told = page.locator("[data-trust=refused]" if group == "Experiments" else f"section {LIVE}")
            expect(told.first).to_be_visible()
            said = page.locator("main").inner_text()
            assert not [city for city in CITIES if city != "london" and city in said], group
        expect(page.locator("[data-tile=bad-records]")).to_contain_text("of no city")
        page.get_by_role("navigation").get_by_role("link", name="Experiments").click()
        expect(page.locator("[data-tile=exp_metric_cuped-0]")).to_contain_text(
            "analysts with the city * alone"
        )
        page.get_by_role("navigation").get_by_role("link", name="Executive").click()
        impressions = page.locator("[data-tile=kpi_funnel-0] [data-measure=impressions] data")
        rows = pipeline.json("/v1/views/kpi_funnel", "ana", group_by="")["rows"]
        expect(impressions).to_have_attribute("value", str(rows[0]["impressions"]))
        assert rows != pipeline.json("/v1/views/kpi_funnel", group_by="")["rows"]


def test_who_is_not_known_logs_in(pipeline: Pipeline, browser: Browser) -> None:
    complaints: list[str] = []
    with page_of(browser, complaints) as page:
        page.goto(pipeline.url)
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
    assert not [one for one in complaints if "401" not in one], "that nobody has logged in is all there is"


def test_the_pipeline_page_tells_who_reads_and_what_is_bad(pipeline: Pipeline, browser: Browser) -> None:
    with shown(browser, pipeline, address(tab="Pipeline")) as page:
        asked = pipeline.json("/v1/pipeline")
        partitions = page.locator("[data-tile=partitions] tbody tr")
        expect(partitions).to_have_count(len(asked["rows"]))
        for row in asked["rows"]:
            shown_row = partitions.filter(has_text=f"{row['topic']} {row['partition']}")
            expect(shown_row).to_contain_text(row["worker"])
            expect(shown_row).to_contain_text(f"{row['checkpoint_offset']:,}")
        bad = pipeline.json("/v1/quarantine")
        samples = page.locator("[data-tile=bad-records] tbody tr")
        expect(samples).to_have_count(min(25, len(bad["rows"])))
        texts = samples.locator(".sample").all_inner_texts()
        assert any("payload" in text and "#" in text for text in texts), texts
