"""/docs: the OpenAPI document as one page for people, with nothing to load from elsewhere.

Operators' networks are closed, and FastAPI's own page takes its scripts from a CDN.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from typing import Any
from urllib.parse import urlencode

from tables.spec.view import View

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0 }
th, td { border-bottom: 1px solid var(--line) }
code { font-family: ui-monospace, monospace; font-size: .9em }
details { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem 1rem; margin: .6rem 0 }
summary { cursor: pointer } summary code { font-weight: 600 }
small { opacity: .75 }
"""

POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""What a browser may do with the page: apply its style."""


def page(openapi: Mapping[str, Any], views: Iterable[View]) -> str:
    """The whole page, as HTML."""
    info = openapi["info"]
    routes = "".join(
        _route(method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
        "<meta name=viewport content='width=device-width'>"
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
        f"<p>{escape(info['description'])} "
        "The same for programs: <a href=openapi.json>openapi.json</a>.</p>"
        f"<h2>Views</h2>{''.join(_view(view) for view in views)}<h2>Routes</h2>{routes}</html>"
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    heads = "".join(f"<th>{escape(name)}" for name in head)
    cells = "".join("<tr>" + "".join(f"<td>{cell}" for cell in row) for row in rows)
    return f"<table><tr>{heads}{cells}</table>"


def _link(path: str, **parameters: str) -> str:
    url = escape(path + ("?" + urlencode(parameters, safe=",") if parameters else ""))
    return f"<li><a href='{url}'><code>{url}</code></a>"


def _view(view: View) -> str:
    links = [_link(f"v1/views/{view.name}")]
    if view.kind == "windowed":
        links.append(_link(f"v1/views/{view.name}", window="1h", step="5m"))
    if view.tracks is not None:
        links += [_link(f"v1/views/{view.name}/entities", state=name) for name in view.tracks.by_state]
    links.append(_link(f"v1/stream/{view.name}"))
    measures = _table(
        ("measure", "unit", "is"),
        [
            (f"<code>{escape(m.name)}</code>", escape(m.unit.value), escape(m.description))
            for m in view.measures
        ],
    )
    return (
        f"<details><summary><code>{escape(view.name)}</code> {escape(view.description)}</summary>"
        f"<p>{view.kind}, by {escape(', '.join(view.dimensions))}</p><ul>{''.join(links)}</ul>"
        f"{measures}</details>"
    )


def _route(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    rows = [
        (
            f"<code>{escape(one['name'])}</code>",
            escape(one.get("description", "")),
            f"<code>{escape(str(one['schema'].get('examples', [''])[0]))}</code>",
        )
        for one in parameters
    ]
    answers = [
        (escape(code), escape(answer["description"])) for code, answer in operation["responses"].items()
    ]
    summary = f"<code>{escape(method.upper())} {escape(path)}</code> {escape(operation['summary'])}"
    return (
        f"<details><summary>{summary}</summary>"
        + (_table(("parameter", "is", "example"), rows) if rows else "")
        + _table(("status", "answer"), answers)
        + "</details>"
    )
