"""The console's page in a browser: looked at, read, and held against rules for people who see little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlencode

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import page_of
from tests.support.console import token_of

LIVE, FIGURES = "[data-trust=live]", ".figure"
_GO = "url => (history.pushState(null, '', url), dispatchEvent(new PopStateEvent('popstate')))"
# Preloading would fetch the page's own style sheets anew.
_AXE = """([where, rules]) => axe.run(where, {
    resultTypes: ["violations"], preload: false, ...(rules && { runOnly: { type: "rule", values: rules } }),
}).then(found => found.violations.map(one => [one.id, one.nodes[0].html]))"""


class Visit(NamedTuple):
    """A page of the console. `complaints`: what it has complained of; `asked`: the URLs that it has asked."""

    page: Page
    origin: str
    complaints: list[str]
    asked: set[str]

    def look(self, **address: str) -> Page:
        """The page, at this address; nothing is loaded anew."""
        self.page.evaluate(_GO, address_of(**address))
        expect(self.page.get_by_role("heading", level=1)).to_have_text(address.get("tab", "Executive"))
        return self.page

    def check(self) -> None:
        """Whatever it complained of, or asked of another host, fails the test."""
        assert self.complaints == []
        ours = (f"{self.origin}/", "blob:", "data:")
        assert not {url for url in self.asked if not url.startswith(ours)}, "the page asks another host"


def address_of(**parts: str) -> str:
    return f"/?{urlencode(parts)}" if parts else "/"


@contextmanager
def visiting(browser: Browser, url: str, analyst: str | None = "ben") -> Iterator[Visit]:
    """The console's first page, logged in."""
    complaints: list[str] = []
    asked: set[str] = set()
    with page_of(browser, complaints) as page:
        page.on("request", lambda request: asked.add(request.url))
        if analyst is not None:
            page.add_init_script(f"sessionStorage.setItem('sluice-token', '{token_of(analyst)}')")
        page.goto(url)
        page.get_by_role("heading", level=1).wait_for()
        visit = Visit(page, url, complaints, asked)
        yield visit
        visit.check()


def violations(page: Page, where: str = "html", *rules: str) -> list[list[str]]:
    """Which of axe's rules (all, or those) a part of the page breaks, and by what."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found: list[list[str]] = page.evaluate(_AXE, [where, list(rules) or None])
    return found
