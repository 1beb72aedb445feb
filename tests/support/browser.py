"""The machine's Chromium, for tests of pages; where there is none, they are skipped by that name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
STEP_MS = 60_000
"""The bound of one step on a busy machine."""

needs_chromium = pytest.mark.skipif(
    not any(map(shutil.which, PROGRAMS)), reason="Chromium is not on PATH (Debian: apt-get install chromium)"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)))
    expect.set_options(timeout=STEP_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--disable-dev-shm-usage"], timeout=STEP_MS
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(
    browser: Browser, complaints: list[str], *, width: int = 1280, dark: bool = False
) -> Iterator[Page]:
    """A page of that width; what it complains of, and each request that leaves its origin, is noted."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.set_default_timeout(STEP_MS)
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda asked: _unless_left(asked, complaints))
    page.on(
        "response",
        lambda answer: complaints.append(f"{answer.url} {answer.status}") if answer.status >= 400 else None,
    )
    try:
        yield page
    finally:
        context.close()


def _unless_left(asked: Request, complaints: list[str]) -> None:
    """What was still on its way when the next page was asked for has not failed."""
    if asked.failure != "net::ERR_ABORTED":
        complaints.append(f"{asked.url}: {asked.failure}")
