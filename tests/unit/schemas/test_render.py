"""What is generated from the declared events is right."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

import fastavro
import pytest
from jsonschema import Draft202012Validator
from pydantic import Field

from schemas.avro_schema import avro_schema, wire_schema
from schemas.catalogue import EVENTS
from schemas.json_schema import json_schema
from schemas.render import avro_path, json_path, render
from schemas.spec import EventSpec
from schemas.types import Instant, Payload
from schemas.validation.fast_path import Event
from schemas.validation.validator import Validator
from tests.support.json_schema import schema_judge
from tests.support.paths import ROOT


def test_no_file_is_left_over() -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "schemas").glob("[ja]*/*/*.*")}
    assert there == set(render()) - {"docs/reference/events.md"}
    assert not (ROOT / "docs/reference/schemas").exists()


@pytest.mark.parametrize("spec", EVENTS.values(), ids=EVENTS)
def test_json_schema_judges_the_examples(spec: EventSpec) -> None:
    schema = json_schema(spec)
    Draft202012Validator.check_schema(schema)
    accepts = schema_judge(schema)
    assert len(schema["examples"]) == len(spec.examples)
    for example in schema["examples"]:
        assert accepts(example)
        assert isinstance(Validator().validate(json.dumps(example).encode(), -1), Event)
    refused = [
        patch
        for patch, _ in spec.counter_examples
        if not accepts({**schema["examples"][0], "payload": spec.patched(patch)})
    ]
    # 12500.0 is an integer to JSON Schema.
    expected = [
        patch
        for patch, field in spec.counter_examples
        if not (isinstance(patch[field], float) and patch[field] == 12500)
    ]
    assert refused == expected


@pytest.mark.parametrize("spec", EVENTS.values(), ids=EVENTS)
def test_avro_schema_is_one(spec: EventSpec) -> None:
    parsed: Any = fastavro.parse_schema(avro_schema(spec), {})
    assert parsed["name"].startswith(f"sluice.{spec.domain}.")
    assert "examples" in avro_schema(spec)
    assert "examples" not in json.dumps(wire_schema(spec))


def test_files_lie_by_domain_and_the_page_links_to_them() -> None:
    page = render()["docs/reference/events.md"]
    for spec in EVENTS.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{spec.name}`"))
        assert spec.description in row
        assert all(f"`{name}" in row for name in spec.payload.model_fields)
        for path in (json_path(spec), avro_path(spec)):
            assert f"/{spec.domain}/" in path
            assert f"(../../{path})" in row
            assert (ROOT / "docs/reference" / "../.." / path).is_file()
    assert json.loads(render()["schemas/json/payments/fee.assessed.json"])["title"] == "fee.assessed"


class Parcel(Payload):
    """A parcel went out."""

    kind: Literal["box", "bag"] = "box"
    at: Instant = datetime(2026, 3, 1, tzinfo=UTC)
    grams: int | None = 5
    note: str | None
    free: int = Field(ge=3)


def test_defaults_are_of_a_unions_first_branch() -> None:
    spec = EventSpec(
        name="parcel.sent", payload=Parcel, examples=({"note": None, "free": 3},), counter_examples=()
    )
    schema = wire_schema(spec)
    assert fastavro.parse_schema(schema, {})
    fields = {field["name"]: field for field in schema["fields"][-1]["type"]["fields"]}
    assert fields["kind"] == {
        "name": "kind", "type": "string", "doc": "one of box, bag", "default": "box"
    }  # fmt: skip
    assert fields["at"]["default"] == "2026-03-01T00:00:00+00:00"
    assert fields["grams"] == {"name": "grams", "type": ["long", "null"], "default": 5}
    assert fields["note"] == {"name": "note", "type": ["null", "string"]}
    members = json_schema(spec)["properties"]["payload"]["properties"]
    assert members["free"] == {"minimum": 3, "maximum": 2**63 - 1, "type": "integer"}
