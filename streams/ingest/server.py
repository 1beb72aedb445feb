"""`sluice ingest http`: the server process around the app and the delivery."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from types import FrameType

import uvicorn

from streams import logs, metrics, shutdown
from streams.access.kept_file import KeptFileError
from streams.extensions import loading
from streams.http.connection.hosts import LOOPBACK, is_loopback
from streams.http.server import listen
from streams.ingest.app import EVENTS, create_app
from streams.ingest.clients import Clients
from streams.ingest.delivery import Delivery
from streams.ingest.intake import Origin
from streams.kafka.producer import RefusedError
from streams.settings import SettingError, Settings
from streams.version import VERSION

log = logging.getLogger(__name__)

DRAIN_SECONDS = 7
"""For requests; then the producer is stopped."""


def serve(settings: Settings, topic: str, declared: Mapping[str, Origin]) -> None:
    """Serve until SIGTERM or SIGINT. Raises `SettingError`, `KeptFileError`; exits with 1 if it can't listen
    or has no topic."""
    check_host(settings)
    clients = Clients(settings.ingest_tokens_file)
    check_names(clients, settings)
    delivery = Delivery(settings, topic)
    app = create_app(settings, delivery, clients, declared)
    logs.configure(settings)
    logs.warn_of_unknown_variables()
    shutdown.on_signals()
    listener = listen(settings.ingest_host.strip("[]"), settings.ingest_port, "SLUICE_INGEST_PORT")
    metrics.BUILD_INFO.labels(VERSION).set(1)
    loading.announce()
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"sluice ingest: http://{shown}:{port} (POST {EVENTS})", flush=True)  # noqa: T201
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )  # fmt: skip
    server = _Server(config)
    problem = shutdown.run(_serve(server, delivery, [listener]))
    if problem is not None:
        raise SystemExit(f"sluice: {problem}")
    shutdown.end()


def check_host(settings: Settings) -> None:
    """Without tokens only this machine may post. Raises `SettingError`."""
    if settings.ingest_tokens_file is None and not is_loopback(settings.ingest_host):
        allowed = f"{LOOPBACK} while SLUICE_INGEST_TOKENS_FILE is not set"
        raise SettingError("SLUICE_INGEST_HOST", settings.ingest_host, allowed)


def check_names(clients: Clients, settings: Settings) -> None:
    """A file without any token is right where Stripe alone posts. Raises `KeptFileError`."""
    if not clients.anyone and not clients.names and settings.stripe_secret_file is None:
        raise KeptFileError(
            f"{settings.ingest_tokens_file}: has no token, so that nobody may post: add a line"
            " name,sha256 of the token"
        )


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End with 0: what is under way is answered first."""
        shutdown.end_soon()
        self.should_exit = True


async def _serve(server: uvicorn.Server, delivery: Delivery, listeners: list[socket.socket]) -> str | None:
    """Serve; answers why it could not go on, None after a signal."""

    def stop() -> None:
        server.should_exit = True

    shutdown.on_signals(stop)
    starting = asyncio.create_task(delivery.start(), name="start-delivery")

    def started(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            stop()

    starting.add_done_callback(started)
    try:
        await server.serve(listeners)
    finally:
        starting.cancel()
        (outcome,) = await asyncio.gather(starting, return_exceptions=True)
        await delivery.close()
    if isinstance(outcome, RefusedError):
        return str(outcome)
    if isinstance(outcome, Exception):
        log.error("the delivery could not start", exc_info=outcome)
        return f"the delivery to Kafka could not start: {type(outcome).__name__}"
    return None
