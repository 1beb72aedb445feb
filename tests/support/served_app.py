"""The api's app on a port of its own, in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from streams.http.server import listen
from tests.support.kafka import wait_until


@asynccontextmanager
async def serving(app: ASGIApp, **config_options: Any) -> AsyncIterator[str]:
    """Serves the app; its URL. `config_options`: others of uvicorn's than those of every test."""
    listener = listen("127.0.0.1", 0)
    options = {"log_config": None, "lifespan": "off", "ws": "none", "timeout_graceful_shutdown": 1}
    config = uvicorn.Config(app, **{**options, **config_options})
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve([listener]))
    await wait_until(lambda: server.started, "the server")
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
