"""The folder for what is kept, made and tried before it is relied on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from streams.settings import SettingError, Settings


def writable_data_dir(settings: Settings) -> Path:
    """SLUICE_DATA_DIR, which is there then. Raises `SettingError` if nothing can be written to it."""
    folder = settings.data_dir.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:  # permissions say nothing of a read-only file system
            file.write(b"?")
    except OSError as error:
        allowed = f"a folder that can be written ({folder}: {error.strerror or error})"
        raise SettingError("SLUICE_DATA_DIR", str(settings.data_dir), allowed) from None
    return folder
