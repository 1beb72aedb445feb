"""A worker's own small HTTP server: /metrics, /healthz and /readyz, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from streams import metrics


class Health:
    """Whether this worker is ready, and why not. Written by the worker, read by the server's thread.

    `waiting_for`: what it is not ready without. `held_back`: partitions that wait, and what for, while it
    reads the others: it is ready even so.
    """

    def __init__(self) -> None:
        self.waiting_for: str | None = "start"
        self.held_back: str | None = None

    @property
    def ready(self) -> bool:
        """True once the worker owns its share and waits for nothing."""
        return self.waiting_for is None


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """No access log."""


def serve(host: str, port: int, health: Health) -> WSGIServer:
    """Start serving; raises OSError where the port is taken. `server.server_port` says which it is."""
    metrics_app = make_wsgi_app()
    metrics.READY.set_function(lambda: health.ready)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            answer: Iterable[bytes] = metrics_app(environ, start_response)
            return answer
        status, text = _answer(path, health)
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [text.encode()]

    server = make_server(host, port, app, server_class=_Server, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def _answer(path: str, health: Health) -> tuple[str, str]:
    if path == "/healthz":
        return "200 OK", "ok\n"
    if path == "/readyz":
        held_back = f"; held back: {health.held_back}" if health.held_back else ""
        if health.ready:
            return "200 OK", f"ready{held_back}\n"
        return "503 Service Unavailable", f"waiting for {health.waiting_for}{held_back}\n"
    return "404 Not Found", "there are /metrics, /healthz and /readyz\n"
