"""Folders for what is looked at: gigabytes, which must not outlive the process whose they are.

A process that is killed cannot delete its folder, so whoever makes one first deletes those that are left. A
folder is in use while it is locked (flock), which ends with the process, whatever ends that; one that is
young may be about to be locked.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OF_PROOFS, OF_EXPLANATIONS = "sluice-verify-", "sluice-explain-"
"""How the names of folders begin."""
YOUNG_SECONDS = 60.0


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a proof, below TMPDIR, which is gone when this ends."""
    remove_left(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=OF_PROOFS) as name:
        folder = Path(name)
        with in_use(folder):
            yield folder


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Hold a folder's lock."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(place, fcntl.LOCK_SH)
        yield
    finally:
        os.close(place)


def remove_left(below: Path) -> None:
    """Delete the folders of one's own that nobody uses any more."""
    for beginning in (OF_PROOFS, OF_EXPLANATIONS):
        for folder in below.glob(f"{beginning}*"):
            with suppress(OSError):  # somebody else was faster, or uses it
                _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    """Raises `OSError`: it is no folder, or it is locked."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(place)
        if found.st_uid == os.getuid() and time.time() - found.st_mtime > YOUNG_SECONDS:
            shutil.rmtree(folder)
    finally:
        os.close(place)
