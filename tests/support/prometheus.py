"""Prometheus and Alertmanager as Debian has them: their checks, and skipping where they are not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE


def needs(*programs: str, package: str) -> pytest.MarkDecorator:
    """Skips a test where a program is missing, and says how to get it."""
    missing = [program for program in programs if shutil.which(program) is None]
    reason = f"{', '.join(missing)}: not on PATH (Debian: apt-get install {package})"
    return pytest.mark.skipif(bool(missing), reason=reason)


needs_promtool = needs("promtool", "prometheus", package="prometheus")
needs_amtool = needs("amtool", "prometheus-alertmanager", package="prometheus-alertmanager")


def passes(*command: str | Path) -> None:
    """A check ends with 0; what it said is told otherwise."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
