"""The image of deploy/Dockerfile, built once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.containers.image import MEMORY, Image, build, problem
from tests.support.paths import ROOT


@pytest.fixture(scope="session")
def layers() -> Iterator[Path]:
    """A folder for layers."""
    if why := problem():
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="sluice-image-", dir=MEMORY))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def image(layers: Path) -> Image:
    return build(ROOT / "deploy/Dockerfile", ROOT, layers)
