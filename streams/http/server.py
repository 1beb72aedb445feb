"""`sluice api`: the server process around the app and the follower."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from streams import logs, metrics, shutdown
from streams.access.access import Access
from streams.chosen_views import chosen_views
from streams.console.files import ConsoleFileError, console
from streams.extensions import loading
from streams.feed.follower import Follower
from streams.feed.replica import Replica
from streams.http.app import create_app
from streams.http.background.beside import Beside
from streams.http.background.ops_topics import OpsTopics
from streams.http.connection.connections import (
    HANDSHAKE_SECONDS,
    KEEP_ALIVE_SECONDS,
    Connection,
    Waiting,
    bounded,
)
from streams.http.connection.hosts import LOOPBACK, is_loopback
from streams.http.connection.tls import RenewedContext, follow_certificate, tls_context
from streams.settings import SettingError, Settings
from streams.version import VERSION

BACKLOG = 2048
ACCEPTED_AT_ONCE = 16
"""Connections that asyncio accepts before it does anything else: each costs a while, and answers wait."""
DRAIN_SECONDS = 8
YOUNG_OBJECTS = 20_000
"""How many new objects make Python's garbage collector look at them: an answer of many rows has as many, and
they live for a moment."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `SettingError`, `KeptFileError`; exits with 1 if it can't listen
    or go on, or if a file of the console is not the pinned one."""
    check_host(settings)
    settings.check_access()
    _check_console()
    tls, access = tls_context(settings), Access(settings)
    gc.set_threshold(YOUNG_OBJECTS)
    logs.configure(settings)
    logs.warn_of_unknown_variables()
    shutdown.on_signals()
    listener = listen(settings.http_host.strip("[]"), settings.http_port)
    metrics.BUILD_INFO.labels(VERSION).set(1)
    loading.announce()
    problem = shutdown.run(_serve(settings, listener, access, tls))
    if problem is not None:
        raise SystemExit(f"sluice: {problem}")
    shutdown.end()


def _check_console() -> None:
    try:
        console()
    except ConsoleFileError as error:
        raise SystemExit(f"sluice: {error}") from None


def check_host(settings: Settings) -> None:
    """Without authentication only this machine may ask (docs/contract.md §6). Raises `SettingError`."""
    if settings.auth == "off" and not is_loopback(settings.http_host):
        allowed = f"{LOOPBACK} while SLUICE_AUTH=off"
        raise SettingError("SLUICE_HTTP_HOST", settings.http_host, allowed)


def listen(host: str, port: int, setting: str = "SLUICE_HTTP_PORT") -> socket.socket:
    """A listening socket; exits with 1 and one line if there can't be one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it; asyncio sets it where a socket's protocol is TCP, and the default protocol is 0.
    # Without it a body waits for the client's delayed acknowledgement of the headers, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise SystemExit(
            f"sluice: can't listen on {host} port {port}: {reason};"
            f" {setting} sets another port, 0 takes a free one"
        ) from None
    return listener


class _Server(uvicorn.Server):
    """Ends streams as soon as a signal comes, so that draining need not wait for them; exits with 0 then."""

    def __init__(self, config: uvicorn.Config, replica: Replica) -> None:
        super().__init__(config)
        self._replica = replica
        self._loop = asyncio.get_running_loop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with a longer backlog than asyncio's, which accepts as many at once as its backlog has."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)

    def stop(self) -> None:
        """Serve no longer."""
        self.should_exit = True
        self._replica.end()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        shutdown.end_soon()
        self._loop.call_soon_threadsafe(self.stop)


async def _serve(
    settings: Settings, listener: socket.socket, access: Access, tls: RenewedContext | None
) -> str | None:
    """Serve; answers why it could not go on, None after a signal."""
    replica = Replica(chosen_views(settings), settings)
    ops = OpsTopics(settings)
    protocol, waiting = bounded(settings.http_connections, tls=tls is not None)
    app = create_app(replica, access.visitor, ops)
    server = _Server(_config(app, protocol, tls), replica)
    shutdown.on_signals(server.stop)
    beside = Beside(server.stop)
    beside.start("the feed", Follower(replica, settings).run())
    beside.start("the gates and alarms", ops.follow(replica))
    beside.start("connections", _close_late(waiting))
    beside.start("what Python keeps", _spare_collector(replica))
    if access.key_url is not None:
        beside.start("SLUICE_JWKS_URL", access.key_url.follow())
    if tls is not None:
        beside.start("SLUICE_HTTP_TLS_CERT", follow_certificate(tls, settings))
    host, port = listener.getsockname()[:2]
    shown = f"{'http' if tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"sluice api: {shown} (/ console, /docs)", flush=True)  # noqa: T201
    try:
        await server.serve([listener])
    finally:
        problem = await beside.end()
        replica.close()
    return problem


def _config(app: ASGIApp, protocol: type[Connection], tls: ssl.SSLContext | None) -> uvicorn.Config:
    # asyncio's own minute for a handshake is generous, and uvicorn does not hand on another one.
    asyncio.constants.SSL_HANDSHAKE_TIMEOUT = HANDSHAKE_SECONDS  # type: ignore[attr-defined]
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who a connection is from decides, not who it says that it is from
        ssl_context_factory=None if tls is None else lambda *_: tls,
        backlog=ACCEPTED_AT_ONCE,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


async def _spare_collector(replica: Replica) -> None:
    """What has been read from the feed stays: the garbage collector need not go through it any more."""
    while not replica.ready:
        await replica.changed(1.0)
    gc.freeze()


async def _close_late(waiting: Waiting) -> None:
    while True:
        await asyncio.sleep(1)
        await waiting.close_late()
