"""The console's files: others' are the pinned ones, ours import nothing else, and all of them are small."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from streams.console import files
from streams.console.files import MODULES, ConsoleFileError, console, integrity, vendored
from tests.support.paths import ROOT

FOLDER = ROOT / "streams" / "console"
VENDOR = FOLDER / "vendor"
MOST_BYTES = 300 * 1024
_IMPORT = re.compile(r"""(?:^|[;}\s])import\s*(?:[^"';()]*?\sfrom\s*|\()?\s*["']([^"']+)["']""")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(VENDOR, tmp_path / "vendor")


def test_a_changed_file_is_refused(copy: Path) -> None:
    with (copy / "preact.mjs").open("ab") as file:
        file.write(b" ")
    with pytest.raises(
        ConsoleFileError, match=r"vendor/preact\.mjs is not the file that manifest\.json pins"
    ):
        vendored(copy)


def test_a_file_too_few_or_too_many_is_refused(copy: Path) -> None:
    (copy / "more.mjs").write_text("")
    with pytest.raises(
        ConsoleFileError, match=r"vendor/more\.mjs is not in manifest\.json: install Sluice anew"
    ):
        vendored(copy)
    (copy / "more.mjs").unlink()
    (copy / "htm.LICENSE").unlink()
    with pytest.raises(ConsoleFileError, match=r"vendor/htm\.LICENSE is missing"):
        vendored(copy)


def test_the_page_and_all_its_files_are_small() -> None:
    served = console()
    assert len(served.page) + sum(len(file.body) for file in served.files.values()) < MOST_BYTES


def test_the_page_names_the_hash_of_each_module() -> None:
    served = console()
    page = served.page.decode()
    scripts = {path: file for path, file in served.files.items() if path.endswith(".mjs")}
    assert {Path(path).name for path in scripts} >= {"console.mjs", *MODULES.values()}
    for path, file in scripts.items():
        assert f'"{path}": "{integrity(file.body)}"' in page
    assert not re.search(r"""(?:src|href)=["'](?!/console/|/docs)""", page), "what it loads is ours"
    assert "://" not in page


def test_our_modules_import_what_is_there_and_nothing_else() -> None:
    ours = {path.name: path.read_text("utf-8") for path in (FOLDER / "assets").glob("*.mjs")}
    for name, text in ours.items():
        imported = _IMPORT.findall(text)
        unknown = [one for one in imported if one not in MODULES and one.removeprefix("./") not in ours]
        assert not unknown, name
        assert "://" not in text, f"{name}: it asks no other host"
    reached = {one.removeprefix("./") for text in ours.values() for one in _IMPORT.findall(text)}
    assert ours.keys() - reached == {"console.mjs"}, "each module is imported by another but the first"


def test_licences_are_there_and_not_served() -> None:
    assert len(list(VENDOR.glob("*.LICENSE"))) == 3
    assert not [path for path in console().files if "LICENSE" in path or path.endswith(files.MANIFEST)]
