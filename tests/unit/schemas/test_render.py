"""What is generated from the declared events is right."""

from __future__ import annotations

import json
from typing import Any

import fastavro
import pytest

from schemas.catalogue import EVENTS
from schemas.render import avro_schema, json_schema, render
from schemas.spec import EventSpec
from tests.support.paths import ROOT


def test_no_file_is_left_over() -> None:
    folder = ROOT / "docs/reference/schemas"
    assert {str(path.relative_to(ROOT)) for path in folder.iterdir()} == set(render()) - {
        "docs/reference/events.md"
    }


@pytest.mark.parametrize("spec", EVENTS.values(), ids=EVENTS)
def test_json_schema_judges_the_examples(spec: EventSpec) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema(spec)["properties"]["payload"])
    for example in spec.examples:
        validator.validate(example)
    refused = [patch for patch, _ in spec.counter_examples if not validator.is_valid(spec.patched(patch))]
    # Formats are not asserted by JSON Schema, and 12500.0 is an integer to it.
    expected = [
        patch
        for patch, field in spec.counter_examples
        if not (isinstance(patch[field], float) and patch[field] == 12500)
        and not (field.endswith(("_at", "_by")) and isinstance(patch[field], str))
    ]
    assert refused == expected


@pytest.mark.parametrize("spec", EVENTS.values(), ids=EVENTS)
def test_avro_schema_is_one(spec: EventSpec) -> None:
    parsed: Any = fastavro.parse_schema(avro_schema(spec), {})
    assert parsed["name"].startswith(f"sluice.{spec.domain}.")


def test_the_page_has_a_row_for_each_event() -> None:
    page = render()["docs/reference/events.md"]
    for spec in EVENTS.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{spec.name}`"))
        assert spec.description in row
        assert all(f"`{name}" in row for name in spec.payload.model_fields)
    assert json.loads(render()["docs/reference/schemas/fee.assessed.json"])["title"] == "fee.assessed"
