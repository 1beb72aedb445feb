# ruff: noqa: INP001
"""Prints what is installed beside this Python as a bill of materials: CycloneDX 1.6, in JSON."""

import json
import re
import sys
from importlib.metadata import Distribution, distributions


def component(package: Distribution) -> dict[str, object]:
    """A package by its name in the index, and the licence that it states."""
    name, version = re.sub(r"[-_.]+", "-", package.name).lower(), package.version
    purl = f"pkg:pypi/{name}@{version}"
    found: dict[str, object] = {
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
    }  # fmt: skip
    if licence := package.metadata.get("License-Expression"):
        found["licenses"] = [{"expression": licence}]
    return found


components = sorted(map(component, distributions()), key=lambda one: str(one["purl"]))
bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
json.dump(bill, sys.stdout, indent=1)
