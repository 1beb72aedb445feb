"""The error codes with their runbooks, as HTML."""

from __future__ import annotations

import re
from typing import NamedTuple

from markdown_it import MarkdownIt
from markupsafe import Markup

from streams.embedded.broker import ROOT
from streams.errors import ErrorCode

_TITLE = re.compile(r"\A# .*\n")
_COMMENT = re.compile(r"^<!-- .* -->\n", re.MULTILINE)
"""For maintainers: which tests rehearse a page."""


class Runbook(NamedTuple):
    """An error code; `steps` is empty where the project's documents are not installed."""

    code: str
    severity: str
    meaning: str
    page: str
    steps: Markup


def runbooks() -> list[Runbook]:
    """One a code, in the order declared."""
    return [
        Runbook(one.name, one.severity, one.meaning, one.runbook, _steps(one.runbook)) for one in ErrorCode
    ]


def _steps(page: str) -> Markup:
    try:
        text = (ROOT / page).read_text("utf-8")
    except OSError:
        return Markup()
    # The page is the project's own; HTML in it would be shown as text, and a link could lead out of the site.
    markdown = (
        MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    )
    tokens = markdown.parse(_COMMENT.sub("", _TITLE.sub("", text)))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1:]) + 1}"  # below the code's own
    html = markdown.renderer.render(tokens, markdown.options, {})
    return Markup(html.replace("<pre>", '<pre tabindex="0">'))  # noqa: S704 - whoever has no mouse can scroll it
