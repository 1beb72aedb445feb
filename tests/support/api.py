"""An api that answers what the test says, for `sluice views`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ROWS: list[dict[str, Any]] = [
    {"city": None, "currency": "JPY", "bookings": 3, "gmv_minor": 1234567, "take_rate": None},
    {"city": "london", "currency": "GBP", "bookings": 19960, "gmv_minor": 1066668454, "take_rate": 0.0227},
]
PARTITIONS = [
    {"topic": "events.raw", "partition": 0, "watermark": None, "checkpoint_offset": 7, "lag_records": 0},
    {"topic": "events.raw", "partition": 1, "watermark": None, "checkpoint_offset": 5, "lag_records": 1234},
    dict.fromkeys(("watermark", "checkpoint_offset", "lag_records"))
    | {"topic": "events.raw", "partition": 2},
]
ANSWER = {
    "view": "kpi_gmv", "kind": "windowed", "as_of": "2026-11-23T07:04:05.5Z", "from": "2026-11-22T07:04:00Z",
    "to": "2026-11-23T07:04:05.5Z", "watermark": None, "freshness_seconds": 0.34, "complete": True,
    "partitions": PARTITIONS[:1], "rows": ROWS,
}  # fmt: skip
VIEWS = {
    "views": [
        {"name": "kpi_gmv", "kind": "windowed", "dimensions": ["city"], "measures": [], "description": "GMV"}
    ]
}
PROBLEM = {"title": "Not Found", "status": 404, "detail": "there is no view 'x'", "views": ["a", "b"]}


class Api:
    """Answers by path, in JSON but for a text; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {
            "/v1/views": (200, VIEWS),
            "/v1/views/kpi_gmv": (200, ANSWER),
        }
        self.answers_by_query: dict[tuple[str, str], tuple[int, Any]] = {}
        """Path and the name of a parameter → what is answered where it is asked with that."""
        self.asked: list[tuple[str, list[tuple[str, str]]]] = []
        self.came = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                api.asked.append((parts.path, parse_qsl(parts.query, keep_blank_values=True)))
                api.came.set()
                named = [
                    key
                    for key in api.answers_by_query
                    if key[0] == parts.path and f"{key[1]}=" in parts.query
                ]
                found = (
                    api.answers_by_query[named[0]] if named else api.answers.get(parts.path, (404, PROBLEM))
                )
                status, answer = found
                body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def answering() -> Iterator[Api]:
    """An api that runs until the end of the block."""
    api = Api()
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield api
    api.server.shutdown()
    api.server.server_close()
    thread.join()
