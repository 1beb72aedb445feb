"""The api's listening socket, and what it does not start with."""

from __future__ import annotations

import socket

import pytest

from streams.console.files import ConsoleFileError
from streams.http.server import listen, serve
from streams.settings import Settings


def test_a_body_is_sent_without_waiting_for_the_acknowledgement_of_the_headers() -> None:
    with listen("127.0.0.1", 0) as listener:
        listener.settimeout(10)
        with socket.create_connection(listener.getsockname(), 10):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_api_with_a_changed_file_of_the_console_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def changed() -> None:
        raise ConsoleFileError("the console's vendor/preact.mjs is not the file")

    monkeypatch.setattr("streams.http.server.console", changed)
    with pytest.raises(SystemExit, match=r"sluice: the console's vendor/preact\.mjs"):
        serve(Settings.load({}))
