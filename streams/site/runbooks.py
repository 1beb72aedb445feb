"""The error codes with their runbooks, as HTML."""

from __future__ import annotations

import re
from typing import NamedTuple

from markdown_it import MarkdownIt
from markupsafe import Markup

from streams.embedded.broker import ROOT
from streams.errors import ErrorCode

PAGE = ROOT / "docs/runbooks.md"
_SECTION = re.compile(r"^## (\w+)\n", re.MULTILINE)


class Runbook(NamedTuple):
    """An error code; `steps` is empty where the project's documents are not installed."""

    code: str
    severity: str
    meaning: str
    steps: Markup


def runbooks() -> list[Runbook]:
    """One a code, in the order declared."""
    found = _sections()
    return [Runbook(one.name, one.severity, one.meaning, found.get(one.name, Markup())) for one in ErrorCode]


def _sections() -> dict[str, Markup]:
    try:
        text = PAGE.read_text("utf-8")
    except OSError:
        return {}
    _, *parts = _SECTION.split(text)
    # The page is the project's own; HTML in it would be shown as text, and a link could lead out of the site.
    markdown = (
        MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    )
    return {name: Markup(markdown.render(body)) for name, body in zip(parts[::2], parts[1::2], strict=True)}  # noqa: S704
