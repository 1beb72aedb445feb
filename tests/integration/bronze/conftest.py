"""A raw topic of two partitions, and the store for it."""

from __future__ import annotations

from typing import Any

import pytest

from agents.bronze.store import Store
from tests.support.processes import Sluice


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"partitions": 2}


@pytest.fixture
def store(sluice: Sluice) -> Store:
    return sluice.store
