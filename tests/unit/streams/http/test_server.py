"""The api's listening socket."""

from __future__ import annotations

import socket

from streams.http.server import listen


def test_a_body_is_sent_without_waiting_for_the_acknowledgement_of_the_headers() -> None:
    with listen("127.0.0.1", 0) as listener:
        listener.settimeout(10)
        with socket.create_connection(listener.getsockname(), 10):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
