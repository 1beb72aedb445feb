"""A proxy before an S3 server that makes it slow, throttling, refusing, or lose its answers, as planned."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Fault(NamedTuple):
    """What is done to a request: it waits `delay_s`; with `status` it is answered with that and an S3 error
    `code`, unheard unless `done`; 0 with a `code`: the connection is closed without an answer."""

    status: int = 0
    code: str = ""
    delay_s: float = 0.0
    done: bool = False


def fine(_method: str, _path: str) -> Fault:
    """Does nothing to any request."""
    return Fault()


SLOW_DOWN = Fault(503, "SlowDown")
DENIED = Fault(403, "AccessDenied")
ANSWER_LOST = Fault(0, "lost", done=True)


class S3Proxy:
    """Hands requests on to a server at `port`; `plan` is asked about each one (method, path)."""

    def __init__(self, port: int) -> None:
        self.plan: Callable[[str, str], Fault] = fine
        self.faults = 0
        self._upstream = port
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy.plan(self.command, self.path)
                proxy.faults += bool(fault.code)
                time.sleep(fault.delay_s)
                try:
                    answer = None if fault.code and not fault.done else proxy._ask(self, body)
                    if fault.code:
                        proxy._answer_fault(self, fault)
                    elif answer is not None:
                        proxy._answer(self, *answer)
                except (OSError, http.client.HTTPException):  # the server, or the client, is away
                    self.close_connection = True

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _serve  # noqa: N815 - named by http.server

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=60)
        try:
            connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def _answer(
        self, request: BaseHTTPRequestHandler, response: http.client.HTTPResponse, content: bytes
    ) -> None:
        request.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                request.send_header(name, value)
        length = response.getheader("Content-Length") if request.command == "HEAD" else None
        if response.status != http.HTTPStatus.NO_CONTENT:
            request.send_header("Content-Length", length or str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _answer_fault(self, request: BaseHTTPRequestHandler, fault: Fault) -> None:
        request.close_connection = True
        if fault.status == 0:
            return
        content = f"<?xml version='1.0'?><Error><Code>{fault.code}</Code></Error>".encode()
        request.send_response_only(fault.status, fault.code)
        request.send_header("Content-Length", str(len(content)))
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(b"" if request.command == "HEAD" else content)
