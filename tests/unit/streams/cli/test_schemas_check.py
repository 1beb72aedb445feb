"""`sluice schemas check --against` a commit and a folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from schemas.catalogue import EVENTS
from streams.cli.main import main
from tests.support.paths import ROOT


def check(against: str, *more: str) -> Result:
    return CliRunner().invoke(main, ["schemas", "check", "--against", against, *more])


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the schemas, to be changed into what they were once."""
    for kind in ("json", "avro"):
        shutil.copytree(ROOT / "schemas" / kind, tmp_path / "before" / "schemas" / kind)
    return tmp_path / "before"


def change(folder: Path, path: str, edit: Any) -> None:
    file = folder / "schemas" / path
    schema = json.loads(file.read_text("utf-8"))
    edit(schema)
    file.write_text(json.dumps(schema), encoding="utf-8")


def spoil(folder: Path) -> None:
    """Former schemas that today's declarations break in two places, by JSON Schema and by Avro."""
    change(
        folder, "json/payments/charge.succeeded.json",
        lambda schema: schema["properties"]["payload"]["properties"]["amount_minor"].update(minimum=-5),
    )  # fmt: skip
    change(
        folder, "avro/comms/message.sent.avsc",
        lambda schema: schema["fields"][-1]["type"]["fields"].pop(0),
    )  # fmt: skip
    shutil.copy(
        folder / "schemas/json/search/search.click.json", folder / "schemas/json/search/search.gone.json"
    )


REFUSED = {
    ("charge.succeeded", "payload.amount_minor", "tightened_limit"),
    ("message.sent", "payload.message_id", "new_required_field"),
    ("search.gone", "", "removed_event"),
}


def test_a_folder(folder: Path) -> None:
    done = check(str(folder))
    assert (done.exit_code, done.stdout) == (0, f"{len(EVENTS)} events are compatible with {folder}\n")
    (folder / "schemas/json/search/search.click.json").unlink()
    (folder / "schemas/avro/search/search.click.avsc").unlink()
    assert "1 are new" in check(str(folder)).stdout
    shutil.copy(ROOT / "schemas/json/search/search.click.json", folder / "schemas/json/search")
    spoil(folder)
    done = check(str(folder))
    assert done.exit_code == 1
    for event, field, rule in REFUSED:
        assert any(event in line and field in line and rule in line for line in done.stdout.splitlines())
    assert "3 changes of 3 events are not backward compatible" in done.stderr


def test_a_commit_of_a_checkout(folder: Path) -> None:
    git(folder, "init", "-q")
    spoil(folder)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "before")
    shutil.rmtree(folder / "schemas")  # what lies there now plays no part
    done = check("HEAD", "--out", str(folder), "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert {(one["event"], one["field"], one["rule"]) for one in answer["refused"]} == REFUSED
    assert (answer["against"], answer["compared"]) == ("HEAD", len(EVENTS) + 1)


def test_what_is_no_commit_and_no_folder(folder: Path, tmp_path: Path) -> None:
    def said(against: str, out: Path) -> str:
        done = check(against, "--out", str(out))
        assert done.exit_code == 1
        return done.stderr

    assert "is in no git checkout; name a folder instead" in said("HEAD", folder)
    git(folder, "init", "-q")
    assert "there is no commit or folder 'HEAD'" in said("HEAD", folder)
    assert "there is no commit or folder '--output=x'" in said("--output=x", folder)
    git(folder, "commit", "-q", "--allow-empty", "-m", "empty")
    assert "HEAD has no schemas below" in said("HEAD", folder)
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty'} has no schemas: schemas/json/<domain>" in said(
        str(tmp_path / "empty"), folder
    )


@pytest.mark.parametrize(
    ("path", "content", "problem"),
    [
        ("json/search/search.click.json", b"{", "search.click.json of"),
        ("json/search/search.click.json", b"[" * 100_000, "is not readable JSON"),
        ("json/search/search.click.json", b"[]", "is no schema"),
        ("avro/search/search.click.avsc", b'{"type":"record"}', "is not an Avro schema"),
        ("avro/search/search.click.avsc", b'{"type":"no"}', "is not an Avro schema"),
        ("avro/search/search.click.avsc", b"\xff", "is not readable JSON"),
    ],
)
def test_damaged_files_are_named(path: str, content: bytes, problem: str, folder: Path) -> None:
    (folder / "schemas" / path).write_bytes(content)
    done = check(str(folder))
    assert done.exit_code == 1
    assert problem in done.stderr
    assert path in done.stderr


def test_of_an_extension_that_is_not_loaded() -> None:
    done = check("HEAD", "--extension", "acme")
    assert (done.exit_code, "extension acme is not loaded" in done.stderr) == (2, True)
