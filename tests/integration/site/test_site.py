"""The schema site as a person meets it, in headless Chromium: from a folder and below a path of a server."""

from __future__ import annotations

import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from schemas.catalogue import EVENTS
from streams.errors import ErrorCode
from streams.site.build import write_site
from tables.views import VIEWS
from tests.support.browser import chromium, needs_chromium, page_of

pytestmark = pytest.mark.timeout(600)  # a hundred pages, on a machine that does other things
PHONE, DESK = 360, 1280
ONE_EACH = [
    "index.html", "envelope.html", "errors.html", "events/payout.initiated.html",
    "events/digest.suppressed.html", "views/kpi_gmv.html", "views/ops_payout_backlog.html",
    "views/exp_metric_cuped.html",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the site, in a folder with a name that has to be escaped."""
    made = tmp_path_factory.mktemp("made")
    write_site(made)
    return shutil.copytree(made, tmp_path_factory.mktemp("at") / "a site")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(
        self,
        tag: str,  # noqa: ARG002
        attrs: list[tuple[str, str | None]],
    ) -> None:
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            elif name == "id":
                self.ids.append(value or "")


def test_no_link_is_broken_and_none_leads_out(folder: Path) -> None:
    pages = {path: Links(path.read_text("utf-8")) for path in folder.rglob("*.html")}
    reached = {folder / "index.html"}
    todo = list(reached)
    while todo:
        page = todo.pop()
        for link in pages[page].links:
            assert not re.match(r"[a-z]+:|/", link), f"{page}: {link} is not relative"
            path, fragment = urldefrag(link)
            target = (page.parent / unquote(path)).resolve() if path else page
            assert target.is_file(), f"{page}: {link}"
            if fragment:
                assert unquote(fragment) in pages[target].ids, f"{page}: {link}"
            if target.suffix == ".html" and target not in reached:
                reached.add(target)
                todo.append(target)
    assert reached == set(pages), "a page that no link leads to"
    for file, found in pages.items():
        assert len(set(found.ids)) == len(found.ids), f"{file}: an id twice"
    assert {path.stem for path in (folder / "events").iterdir()} == set(EVENTS)
    assert {path.stem for path in (folder / "views").iterdir()} == set(VIEWS)


@needs_chromium
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_page_of_a_folder_is_whole_and_fits(width: int, folder: Path, browser: Browser) -> None:
    complaints: list[str] = []
    asked: set[str] = set()
    with page_of(browser, complaints, width=width) as page:
        page.on("request", lambda request: asked.add(request.url))
        for path in sorted(folder.rglob("*.html")):
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.evaluate("window.searchIndex.length") > 0, path  # under its Content-Security-Policy
            assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none", path
    assert complaints == []
    assert {url.partition(":")[0] for url in asked} == {"file"}


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", ONE_EACH)
def test_nobody_is_kept_out(path: str, dark: bool, folder: Path, browser: Browser) -> None:
    complaints: list[str] = []
    with page_of(browser, complaints, width=PHONE, dark=dark) as page:
        page.goto((folder / path).as_uri())
        page.get_by_role("searchbox").fill("amount")
        # Preloading would fetch the page's own style sheets, which its policy forbids.
        found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    assert complaints == []


@needs_chromium
def test_dark_is_dark(folder: Path, browser: Browser) -> None:
    seen = []
    for dark in (False, True):
        with page_of(browser, [], dark=dark) as page:
            page.goto((folder / "index.html").as_uri())
            seen.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert seen == ["rgb(255, 255, 255)", "rgb(20, 24, 29)"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """The site below a path of a server."""
    handler = partial(Quiet, directory=str(folder.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/a%20site"
        served.shutdown()
        thread.join(30)


@needs_chromium
def test_search_below_a_path_of_a_server(server: str, browser: Browser) -> None:
    complaints: list[str] = []
    with page_of(browser, complaints) as page:
        page.goto(f"{server}/views/kpi_gmv.html")
        box, found = page.get_by_role("searchbox"), page.locator("#found")
        expect(found).to_be_hidden()
        box.fill("due_at")
        expect(found.get_by_role("link")).to_have_text(["payout.initiated"])
        box.fill("no such thing")
        expect(found).to_have_text("Nothing found.")
        box.fill("<img src=x onerror=alert(1)>")
        expect(found).to_have_text("Nothing found.")
        box.fill("PAYOUT backlog")
        found.get_by_role("link", name="ops_payout_backlog").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("ops_payout_backlog")
        page.get_by_role("searchbox").fill(ErrorCode.DSAR_CONFLICT.name)
        page.locator("#found").get_by_role("link").click()
        expect(page).to_have_url(f"{server}/errors.html#dsar_conflict")
        page.get_by_role("searchbox").press("Escape")
        expect(page.locator("#found")).to_be_hidden()
    assert complaints == []
