"""All roles on the shared broker, with topics and a store of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.embedded.broker import EmbeddedKafka
from tests.support.processes import Sluice


@pytest.fixture
def settings() -> dict[str, Any]:
    """What a module's tests have different: it has a fixture of this name."""
    return {"partitions": 1}


@pytest.fixture
def sluice(kafka: EmbeddedKafka, prefix: str, tmp_path: Path, settings: dict[str, Any]) -> Iterator[Sluice]:
    with Sluice(tmp_path, kafka.bootstrap, prefix, **settings) as running:
        yield running
