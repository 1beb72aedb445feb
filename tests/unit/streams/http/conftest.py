"""An api over a replica that has read a feed of nothing yet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.settings import Settings
from tables.views import VIEWS
from tests.support.feed_records import TOPIC
from tests.support.replica import SetClock


@pytest.fixture
async def replica() -> AsyncIterator[Replica]:
    replica = Replica(VIEWS, Settings.load({"SLUICE_STREAM_SECONDS": "0.1"}), SetClock())
    replica.topics = {TOPIC: 1}
    replica.waiting_for = None
    yield replica
    replica.end()
    replica.close()


@pytest.fixture
async def api(replica: Replica) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(replica), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client
