"""Files that survive a power cut: made whole, synced, and found again in folders that are synced, too."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

SYNCED_FOLDERS = 200_000
"""So many folders are remembered at most; then they are synced once more."""


def write_part(folder: str, data: bytes) -> str:
    """A synced file with these bytes under a name of its own in `folder`; answers its path."""
    part = f"{folder}/{uuid.uuid4().hex}"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except BaseException:
        remove(part)
        raise
    finally:
        os.close(descriptor)
    return part


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - thousands of times


def sync_folder(folder: str) -> None:
    """What is in the folder is there after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have nothing to sync of a folder
            raise
    finally:
        os.close(descriptor)


class Folders:
    """The folders at and below `root`, made where they are missing and found again after a power cut.

    One that is there may be another process's work, who made it and did not come to sync what it is in: that
    is synced whenever this process meets a folder for the first time.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._synced: set[str] = set()

    def make(self, folders: Iterable[str]) -> None:
        """Make these folders (paths at or below the root) and those above them. Raises `OSError`."""
        new: dict[str, str] = {}
        for folder in folders:
            self._make(folder, new)
        for parent in dict.fromkeys(new.values()):
            try:
                sync_folder(parent)
            except PermissionError:
                if parent != str(self._root.parent):  # what the root is in need not be ours to read
                    raise
        if len(self._synced) > SYNCED_FOLDERS:
            self._synced.clear()
        self._synced.update(new)

    def _make(self, folder: str, new: dict[str, str]) -> None:
        """Make a folder, and note what it is in."""
        if folder in self._synced or folder in new:
            return
        if folder == str(self._root):
            self._make_root()
        else:
            self._make(folder.rpartition("/")[0], new)
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder)  # noqa: PTH102 - thousands of times
        new[folder] = folder.rpartition("/")[0] or "/"

    def _make_root(self) -> None:
        missing = [folder for folder in (self._root, *self._root.parents) if not folder.is_dir()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            sync_folder(str(folder.parent))
