"""What is said of an api that does not answer as it should."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streams.client import ApiAwayError, ApiError, SluiceClient


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/nonsense":
            self.wfile.write(b"SSH-2.0\r\n\r\n")
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "/there")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f'"{self.path}"'.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_path_and_parameters_arrive_as_they_are(url: str) -> None:
    asked = SluiceClient(f"{url}/").json("/v1/a b?#%41", [("city", ""), ("city", "a,b"), ("q", "é&=+")])
    assert asked == "/v1/a%20b%3F%23%2541?city=&city=a%2Cb&q=%C3%A9%26%3D%2B"
    assert SluiceClient(url).json("/moved") == "/there"


def test_who_does_not_answer_is_away(url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(
            ApiAwayError, match=rf"at http://127.0.0.1:{port} does not answer \(timed out\): st"
        ):
            SluiceClient(f"http://127.0.0.1:{port}", timeout_seconds=0.1).json("/")
    with pytest.raises(ApiAwayError, match=r"does not answer \(.* Connection refused\): start it"):
        SluiceClient("http://127.0.0.1:1").json("/")
    with pytest.raises(ApiAwayError, match="does not answer"):
        SluiceClient(url).json("/nonsense")


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://x", "http://x:port", f"http://{'a' * 70}.de", "http://[::1"]
)
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(ApiError, match="is not an api's URL") as refused:
        SluiceClient(url).json("/")
    assert str(refused.value).startswith(url)
    assert not isinstance(refused.value, ApiAwayError)


def test_a_proxy_that_cannot_be_used_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(ApiError, match=r"cannot be asked: .*SOCKS"):
        SluiceClient("http://127.0.0.1:1").json("/")


def test_an_api_that_is_kept_open_is_asked_over_one_connection() -> None:
    ports: set[int] = set()

    class Keeping(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            ports.add(self.client_address[1])
            self.send_response(200)
            self.send_header("content-length", "1")
            self.end_headers()
            self.wfile.write(b"1")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Keeping) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = SluiceClient(f"http://127.0.0.1:{server.server_port}")
        with client.kept_open():
            assert [client.json("/") for _ in range(3)] == [1, 1, 1]
        assert len(ports) == 1
        assert client.json("/") == 1, "afterwards it is asked as before"
        server.shutdown()
        thread.join()
