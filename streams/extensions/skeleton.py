"""A new extension: the files of `template/`, in the name of the package that is begun."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

from schemas.catalogue import OWN
from streams.setting_groups.rules import INSTALLED

TEMPLATE = Path(__file__).with_name("template")
NAME = "acme_events"
"""The package in the template."""
_PACKAGE = re.compile(r"[a-z][a-z0-9_]{0,39}")


def files(name: str) -> dict[str, str]:
    """Path, relative to the new folder, to content of each file of a package of this name."""
    found = sorted(path for path in TEMPLATE.rglob("*") if path.suffix in (".py", ".toml", ".md"))
    return {
        path.relative_to(TEMPLATE).as_posix().replace(NAME, name): path.read_text("utf-8").replace(NAME, name)
        for path in found
    }


def problem_of(name: str) -> str | None:
    """Why a package cannot have this name; None if it can."""
    if not _PACKAGE.fullmatch(name) or iskeyword(name):
        return "is no name of a Python package: take a-z, 0-9 and _, up to 40, beginning with a letter"
    if name in sys.stdlib_module_names or name == INSTALLED or _is_there(name):
        return "is the name of a package that is there already: take another one"
    if any(spec.domain == name for spec in OWN.values()):
        return "is a domain of Sluice's own events: take another one"
    return None


def _is_there(name: str) -> bool:
    spec = find_spec(name)
    return (
        spec is not None and spec.origin is not None
    )  # without: a mere folder, perhaps the one to be filled
