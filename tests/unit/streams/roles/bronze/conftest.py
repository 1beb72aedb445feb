"""An owner that waits for nothing."""

from __future__ import annotations

import pytest

from streams.roles import owner, recoveries
from tests.support.bronze_owner import Worker


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recoveries, "READY_SECONDS", 0.5)
    monkeypatch.setattr(owner, "RETRY_SECONDS", 0.01)


@pytest.fixture
async def worker() -> Worker:
    return Worker()
