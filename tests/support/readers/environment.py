"""The Python that has the readers of Bronze: `make readers` installs it."""

from __future__ import annotations

from tests.support.paths import ROOT

PYTHON = ROOT / ".venv-readers" / "bin" / "python"
SECONDS = 600
"""How long one of its programs may run."""
