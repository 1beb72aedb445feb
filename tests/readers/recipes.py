"""The recipes of docs/readers.md, and what each finds: `recipes.py NAME ROOT` in the readers' environment."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "readers.md"
PLACES = ('"/data/bronze"', '"s3://bucket/bronze"')


def recipe(name: str, language: str = "python") -> list[str]:
    """The blocks below a heading, as they stand on the page."""
    found = re.search(
        rf"^##+ {re.escape(name)}$(.*?)(?=^##|\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise LookupError(f"docs/readers.md has no heading {name!r}")
    return re.findall(rf"^```{language}\n(.*?)^```$", found[1], re.MULTILINE | re.DOTALL)


def run(name: str, root: str) -> dict[str, list[Any]]:
    """What a recipe finds at `root`: `counts` and `sums`, as JSON knows them."""
    (code,) = recipe(name)
    if not any(place in code for place in PLACES):
        raise LookupError(f"the recipe {name!r} does not say where Bronze is")
    for place in PLACES:
        code = code.replace(place, repr(root))
    names: dict[str, Any] = {}
    exec(compile(code, f"docs/readers.md: {name}", "exec"), names)
    return {
        "counts": [[event, int(rows)] for event, rows in names["counts"]],
        "sums": [
            [event, city, currency, int(rows), int(minor)]
            for event, city, currency, rows, minor in names["sums"]
        ],
    }


if __name__ == "__main__":
    found = run(*sys.argv[1:])
    sys.stdout.write("\n" + json.dumps(found) + "\n")
