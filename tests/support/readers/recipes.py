"""The recipes of docs/readers.md, and what each finds: a program for the readers' own Python."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "readers.md"
PLACES = ('"/data/bronze"', '"s3://bucket/bronze"')
DAY = '"2026-03-01"'
AS_VIEWS = ", as the views count"


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
    names = _names(name, code, root)
    return {"counts": _plain(names["counts"]), "sums": _plain(names["sums"])}


def run_as_views(reader: str, root: str, day: str) -> dict[str, list[Any]]:
    """What a reader's recipe for the views' numbers finds: `gmv` and `payouts`, as JSON knows them."""
    name = reader + AS_VIEWS
    (code,) = recipe(name)
    if "def rows" in code and "def counted" not in code:  # as the page says: what follows is PyArrow's
        (whole,) = recipe("PyArrow" + AS_VIEWS)
        code += whole[whole.index("def counted") :]
    if DAY not in code:
        raise LookupError(f"the recipe {name!r} does not say of which day")
    names = _names(name, code.replace(DAY, repr(day)), root)
    return {"gmv": _plain(names["gmv"]), "payouts": _plain(names["payouts"])}


def _names(name: str, code: str, root: str) -> dict[str, Any]:
    """All that a recipe's code has named once it has run."""
    if not any(place in code for place in PLACES):
        raise LookupError(f"the recipe {name!r} does not say where Bronze is")
    for place in PLACES:
        code = code.replace(place, repr(root))
    names: dict[str, Any] = {}
    exec(compile(code, f"docs/readers.md: {name}", "exec"), names)
    return names


def _plain(rows: Any) -> list[list[str | int | None]]:
    return [[cell if cell is None or isinstance(cell, str) else int(cell) for cell in row] for row in rows]


if __name__ == "__main__":
    name, *more = sys.argv[1:]
    found = run(name, *more) if len(more) == 1 else run_as_views(name, *more)
    sys.stdout.write("\n" + json.dumps(found) + "\n")
