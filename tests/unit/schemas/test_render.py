"""What is generated from the declarations is right, and what is committed is what is generated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from click.testing import CliRunner

from schemas.catalogue import EVENTS
from schemas.render import avro_schema, json_schema, render
from schemas.spec import EventSpec
from streams.cli.main import main
from tests.support.paths import ROOT


def test_committed_files_are_as_declared() -> None:
    for path, content in render().items():
        assert (ROOT / path).read_text("utf-8") == content, f"{path}: run `sluice schemas render`"


def test_the_commands_work_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command, said in (("check", "differing"), ("render", "written")):
        done = CliRunner().invoke(main, ["schemas", command, "--json"])
        assert (done.exit_code, json.loads(done.stdout)) == (0, {said: []})
    assert list(tmp_path.iterdir()) == []


def test_another_folder_is_written_and_checked(tmp_path: Path) -> None:
    there = ["--out", str(tmp_path)]
    assert CliRunner().invoke(main, ["schemas", "check", *there]).exit_code == 1
    assert CliRunner().invoke(main, ["schemas", "render", *there]).exit_code == 0
    assert CliRunner().invoke(main, ["schemas", "check", *there]).exit_code == 0
    (tmp_path / "file").touch()
    below_a_file = CliRunner().invoke(main, ["schemas", "render", "--out", str(tmp_path / "file" / "below")])
    assert below_a_file.exit_code == 1
    assert "cannot be written (Not a directory)" in below_a_file.output


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
