"""An owner that waits for nothing."""

from __future__ import annotations

import pytest

from streams.roles import recoveries
from streams.roles.bronze import owner, resume
from tests.support.bronze_owner import Worker


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_hint(*_: object) -> None:
        return None

    monkeypatch.setattr(resume, "hint_of", no_hint)
    monkeypatch.setattr(recoveries, "READY_SECONDS", 0.1)
    monkeypatch.setattr(owner, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(resume, "PAUSE_SECONDS", 0.01)


@pytest.fixture
async def worker() -> Worker:
    return Worker()
