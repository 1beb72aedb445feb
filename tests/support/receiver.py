"""Somebody who takes webhooks: a real HTTP server that keeps what it got, and answers as planned."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Answer(NamedTuple):
    """How a request is answered. `held`: only once this is set."""

    status: int = 200
    headers: Mapping[str, str] = {}
    held: threading.Event | None = None


class Received(NamedTuple):
    """A request, and how it was answered."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def document(self) -> Any:
        return json.loads(self.body)


TAKEN = Answer()


class Receiver:
    """`plan`: for each request (path, how many came to it before) its answer. `got`: all, in order."""

    def __init__(self) -> None:
        self.plan: Callable[[str, int], Answer] = lambda _path, _before: TAKEN
        self.got: list[Received] = []
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def taken(self, path: str) -> list[Received]:
        """What came to a path and was taken."""
        return [one for one in self.got if one.path == path and one.status < 300]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def _answer(self, path: str) -> Answer:
        with self._lock:
            before = self._counts.get(path, 0)
            self._counts[path] = before + 1
        answer = self.plan(path, before)
        while answer.held is not None and not (answer.held.wait(0.05) or self._closed.is_set()):
            pass
        return answer

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = receiver._answer(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Received(self.path, headers, body, answer.status))
                try:
                    self.send_response(answer.status)
                    for name, value in {"content-length": "0", **answer.headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                except OSError:  # who posted it waits no longer
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                """No access log."""

        return Handler
