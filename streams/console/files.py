"""The console's files: its page, its style, its modules, and vendored ones, which have to be those pinned.

A browser is told the hash of each module (an import map's `integrity`) and runs no other. Paths hold a digest
of all files, so that they can be kept for good, and a new release has other ones.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256, sha384
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from typing import NamedTuple

MEDIA_TYPES = {
    "mjs": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
"""What is served, by the ending of its name."""
MODULES = {"preact": "preact.mjs", "preact/hooks": "preact-hooks.mjs", "htm": "htm.mjs", "uplot": "uplot.mjs"}
"""What modules import by name."""
LATER = frozenset({"uplot.mjs"})
"""Modules that are fetched when they are needed, not with the page."""
MANIFEST = "manifest.json"
FOLDER = "/console/"


class ConsoleFileError(Exception):
    """A vendored file is not the one that is pinned. `str(error)` names it, and says what to do."""


class File(NamedTuple):
    """A file as it is served."""

    body: bytes
    media_type: str
    integrity: str


class Console(NamedTuple):
    """`page`: HTML; `policy`: its Content-Security-Policy's source for the one script in it; `files`: by
    path."""

    page: bytes
    policy: str
    files: Mapping[str, File]


def integrity(body: bytes) -> str:
    """A file's hash, as browsers are told it (Subresource Integrity)."""
    return f"sha384-{b64encode(sha384(body).digest()).decode()}"


@cache
def console() -> Console:
    """Everything, read once. Raises `ConsoleFileError`."""
    here = files(__package__)
    served = _read(here / "assets") | vendored(here / "vendor")
    digest = sha256("".join(f"{name} {file.integrity}\n" for name, file in sorted(served.items())).encode())
    base = f"{FOLDER}{digest.hexdigest()[:16]}/"
    scripts = [name for name in served if name.endswith(".mjs")]
    import_map = json.dumps(
        {
            "imports": {name: base + file for name, file in MODULES.items()},
            "integrity": {base + name: served[name].integrity for name in scripts},
        }
    )
    preloads = "".join(
        f'<link rel="modulepreload" href="{base}{name}" integrity="{served[name].integrity}">\n'
        for name in scripts
        if name not in LATER
    )
    page = Template((here / "index.html").read_text("utf-8")).substitute(
        base=base, import_map=import_map, preloads=preloads
    )
    policy = f"'sha256-{b64encode(sha256(import_map.encode()).digest()).decode()}'"
    return Console(page.encode(), policy, {base + name: file for name, file in served.items()})


def vendored(folder: Traversable) -> dict[str, File]:
    """What is served of others' files. Raises `ConsoleFileError` where one is not the one that is pinned."""
    pinned = {
        file["name"]: file["integrity"]
        for module in json.loads((folder / MANIFEST).read_text("utf-8"))["modules"]
        for file in module["files"]
    }
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    for name in sorted(there ^ pinned.keys()):
        what = "is missing" if name in pinned else f"is not in {MANIFEST}"
        raise ConsoleFileError(f"the console's vendor/{name} {what}: install Sluice anew")
    for name, expected in pinned.items():
        if integrity((folder / name).read_bytes()) != expected:
            raise ConsoleFileError(
                f"the console's vendor/{name} is not the file that {MANIFEST} pins: install Sluice anew"
            )
    return _read(folder)


def _read(folder: Traversable) -> dict[str, File]:
    found = {}
    for path in sorted(folder.iterdir(), key=lambda one: one.name):
        media_type = MEDIA_TYPES.get(path.name.rpartition(".")[2])
        if media_type is not None:
            body = path.read_bytes()
            found[path.name] = File(body, media_type, integrity(body))
    return found
