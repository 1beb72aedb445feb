"""All files of the site: pages from templates, assets named by their content, schemas, and what search needs.

Nothing is fetched when they are read: links are relative, and the site works from a folder, a phone or any
path of a server. The same declarations give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from streams.site.entries import EventEntry, ViewEntry, envelope, events, views
from streams.site.runbooks import Runbook, runbooks
from streams.version import VERSION

MANIFEST = "site-files.json"
"""Names all files of the site, itself included: what a later publication may remove."""
ASSETS = Path(__file__).with_name("assets")


def site_files() -> dict[str, bytes]:
    """Path, relative to the site's root, → content."""
    declared, shown, errors = events(), views(), runbooks()
    index = _search_index(declared, shown, errors)
    assets = {
        kind: _named(name, content)
        for kind, name, content in (
            ("style", "site.css", (ASSETS / "site.css").read_bytes()),
            ("script", "search.js", (ASSETS / "search.js").read_bytes()),
            ("index", "search-index.js", index),
            ("icon", "icon.svg", (ASSETS / "icon.svg").read_bytes()),
        )
    }
    pages = _Pages({kind: path for kind, (path, _) in assets.items()})
    by_name = {view.name: view for view in shown}
    of_events = {event.name: event for event in declared}
    domains = [(name, list(those)) for name, those in groupby(declared, key=lambda event: event.domain)]
    pages.add("index.html", "index.html.j2", "Events and views", domains=domains, views=shown, errors=errors)
    pages.add("envelope.html", "envelope.html.j2", "The envelope", fields=envelope())
    pages.add("errors.html", "errors.html.j2", "Error codes", errors=errors)
    for event in declared:
        its = [by_name[name] for name in event.views]
        pages.add(event.page, "event.html.j2", event.name, event=event, views=its)
    for view in shown:
        sources = [of_events[name] for name in view.events]
        pages.add(view.page, "view.html.j2", view.name, view=view, events=sources)
    files = pages.files | dict(assets.values())
    for event in declared:
        files[event.json_path] = event.json_schema.encode()
        files[event.avro_path] = event.avro_schema.encode()
    files[MANIFEST] = json.dumps(sorted([*files, MANIFEST]), indent=1).encode() + b"\n"
    return files


def write_site(out: Path) -> int:
    """Write all files below a folder, and remove what only the site before in this folder had; answers how
    many there are. Raises `OSError`."""
    files = site_files()
    former = former_files((out / MANIFEST).read_bytes()) if (out / MANIFEST).is_file() else set()
    for path, content in files.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(content)
    for path in former - files.keys():
        (out / path).unlink(missing_ok=True)
    return len(files)


def former_files(manifest: bytes) -> set[str]:
    """The files that a manifest names, none of one that is damaged, and no path out of the site."""
    try:
        named = json.loads(manifest)
    except ValueError:
        return set()
    if not isinstance(named, list):
        return set()
    return {path for path in named if isinstance(path, str) and _is_inside(path)}


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


class _Pages:
    """Renders pages, each with the way back to the site's root."""

    def __init__(self, assets: dict[str, str]) -> None:
        self.files: dict[str, bytes] = {}
        self._assets = assets
        self._environment = Environment(
            loader=PackageLoader("streams.site"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        )  # fmt: skip

    def add(self, path: str, template: str, title: str, **content: Any) -> None:
        root = "../" * (len(PurePosixPath(path).parts) - 1)
        page = self._environment.get_template(template).render(
            title=title, root=root, assets=self._assets, version=VERSION, **content
        )
        self.files[path] = page.encode()


def _named(name: str, content: bytes) -> tuple[str, bytes]:
    """An asset by its content, so that it may be kept for good."""
    path = PurePosixPath(name)
    return f"assets/{path.stem}.{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}", content


def _search_index(declared: list[EventEntry], shown: list[ViewEntry], errors: list[Runbook]) -> bytes:
    """A script, as a page that lies in a folder may not fetch."""
    entries = [
        {
            "kind": "event",
            "name": event.name,
            "page": event.page,
            "about": event.description,
            "words": " ".join([event.domain, event.record, *(field.name for field in event.fields)]),
        }
        for event in declared
    ]
    entries += [
        {
            "kind": "view",
            "name": view.name,
            "page": view.page,
            "about": view.description,
            "words": " ".join([*view.dimensions, *view.events, *(one.name for one in view.measures)]),
        }
        for view in shown
    ]
    entries += [
        {
            "kind": "error", "name": error.code, "page": f"errors.html#{error.code.lower()}",
            "about": error.meaning, "words": error.severity,
        }
        for error in errors
    ]  # fmt: skip
    return f"window.searchIndex = {json.dumps(entries, ensure_ascii=True)};\n".encode()
