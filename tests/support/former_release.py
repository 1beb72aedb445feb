"""The code of the last release, beside this one's: what an upgrade begins with, and a roll-back ends with."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LAST = "c0dd444a8a87fccddb13b9e859379fcfae26d073"
"""The commit of the last release, where no tag names one (`v1.2.3`)."""


def last_release() -> str:
    """Its tag, or its commit."""
    found = _git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^")
    return found.stdout.decode().strip() if found.returncode == 0 else LAST


def unpacked(folder: Path) -> Path:
    """Its code in a new folder; skips the test in a clone that does not have it."""
    release = last_release()
    archive = _git("archive", release, "schemas", "tables", "agents", "streams")
    if archive.returncode != 0:
        pytest.skip(f"this clone has not the history with {release}: git fetch --unshallow --tags")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False, timeout=60)
