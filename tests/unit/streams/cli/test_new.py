"""`sluice new`: what it writes works as it is, and nothing is written over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.main import main
from tests.support.paths import ROOT


def new(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["new", str(folder), *arguments])
    return done.exit_code, done.output


def test_its_own_test_passes_without_an_installation(tmp_path: Path) -> None:
    folder = tmp_path / "gift_cards"
    code, written = new(folder, "--json")
    assert code == 0
    assert json.loads(written)["package"] == "gift_cards"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "README.md", "gift_cards/__init__.py", "pyproject.toml", "tests/test_gift_cards.py",
    ]  # fmt: skip
    assert not [path for path in folder.rglob("*.*") if "acme" in path.read_text()]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "."],
        cwd=folder, env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_it_says_what_to_do_next(tmp_path: Path) -> None:
    (tmp_path / "gift_cards").mkdir()
    code, said = new(tmp_path / "gift_cards")
    assert code == 0
    assert f"\n  export PYTHONPATH={tmp_path}/gift_cards SLUICE_EXTENSIONS=gift_cards\n" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gift-cards", "is no name of a Python package"),
        ("Gifts", "is no name of a Python package"),
        ("class", "is no name of a Python package"),
        ("g" * 41, "is no name of a Python package"),
        ("json", "is the name of a package that is there already"),
        ("tables", "is the name of a package that is there already"),
        ("msgspec", "is the name of a package that is there already"),
        ("installed", "is the name of a package that is there already"),
        ("payments", "is a domain of Sluice's own events"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str, said: str) -> None:
    code, output = new(tmp_path / name)
    assert (code, output.startswith(f"sluice: {name} {said}")) == (2, True), output
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "gift_cards").mkdir()
    (tmp_path / "gift_cards" / "notes").touch()
    (tmp_path / "gifts").touch()
    for name in ("gift_cards", "gifts"):
        code, output = new(tmp_path / name)
        assert (code, f"{name} is there already, and no empty folder" in output) == (2, True), output
    assert [path.name for path in (tmp_path / "gift_cards").iterdir()] == ["notes"]
    code, output = new(tmp_path / "gifts" / "gift_cards")
    assert (code, "cannot be written: Not a directory" in output) == (1, True), output
