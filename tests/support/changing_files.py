"""Files that are read again when they change, in tests without a clock's pause."""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path

import pytest

_TIMES = count(1)


def change(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a kept file anew, and have the time come at which it is looked at."""
    number = next(_TIMES)
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(number, number))
    later = time.monotonic() + 1000.0 * number
    monkeypatch.setattr("streams.access.kept_file.time.monotonic", lambda: later)
