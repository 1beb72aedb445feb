"""What is committed of docs/reference is what its sources generate, and has all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.main import COMMANDS, main
from streams.cli.reference import pages
from streams.errors import ErrorCode
from tables.views import VIEWS
from tests.support.paths import ROOT


def test_committed_files_are_as_declared() -> None:
    for path, content in pages(main).items():
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


def test_no_page_is_left_over() -> None:
    folder = ROOT / "docs/reference"
    assert {f"docs/reference/{page.name}" for page in folder.glob("*.md")} == {
        path for path in pages(main) if path.endswith(".md")
    }


def test_the_pages_have_what_is_declared() -> None:
    made = {path.rpartition("/")[2]: page for path, page in pages(main).items()}
    for view in VIEWS.values():
        assert f"## {view.name}\n{view.description}" in made["views.md"]
        assert all(f"| `{measure.name}` | {measure.unit}" in made["views.md"] for measure in view.measures)
        assert f"\n## GET /v1/views/{view.name}\n" in made["http.md"]
    assert all(f"[`{code.name}`](../{code.runbook[5:]})" in made["errors.md"] for code in ErrorCode)

    assert "| `sluice_events_total` | counter | `event`, `outcome` |" in made["metrics.md"]
    assert all(f"\n## sluice {command}\n" in made["cli.md"] for command in COMMANDS)
    assert "## sluice quarantine replay\n" in made["cli.md"]
    assert "| `SLUICE_KAFKA` | `127.0.0.1:9092` |" in made["settings.md"]
