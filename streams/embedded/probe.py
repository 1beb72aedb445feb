"""Does a Kafka broker answer at an address, and of which cluster? One Metadata request on a plain socket.

A TCP connect is not enough: a broker accepts connections before it serves, and it may be something else.
"""

from __future__ import annotations

import socket
import struct

METADATA, VERSION, CORRELATION = 3, 2, 1
ANSWER_LIMIT_BYTES = 1 << 20


def probe_cluster_id(host: str, port: int, timeout_seconds: float = 2.0) -> str | None:
    """The cluster's id if a live broker serves metadata there, else None, whatever the network does."""
    # Header v1 (api key, api version, correlation id, client id); an empty array: no topic, only the brokers.
    request = struct.pack(">hhih", METADATA, VERSION, CORRELATION, -1) + struct.pack(">i", 0)
    try:
        with socket.create_connection((host, port), timeout_seconds) as connection:
            connection.settimeout(timeout_seconds)
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", _read(connection, 4))
            if not 8 <= size <= ANSWER_LIMIT_BYTES:
                return None
            return _cluster_id(_read(connection, size))
    except (OSError, struct.error, UnicodeDecodeError):
        return None


def _read(connection: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError("the broker closed the connection")
        parts += part
    return parts


def _cluster_id(answer: bytes) -> str | None:
    """Metadata response v2: correlation id, [node, host, port, rack], cluster id. None: no live broker."""
    correlation, brokers = struct.unpack_from(">ii", answer)
    if correlation != CORRELATION or brokers < 1:
        return None
    at = 8
    for _ in range(brokers):
        _, at = _text(answer, at + 4)  # after the node's number: its host
        _, at = _text(answer, at + 4)  # after the port: its rack
    cluster, _ = _text(answer, at)
    return cluster


def _text(answer: bytes, at: int) -> tuple[str | None, int]:
    """A nullable string at `at`, and where it ends."""
    (size,) = struct.unpack_from(">h", answer, at)
    at += 2
    return (None, at) if size < 0 else (answer[at : at + size].decode(), at + size)
