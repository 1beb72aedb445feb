"""Connections of the api: how many there may be, and for how long one may keep it waiting."""

from __future__ import annotations

import asyncio
import resource
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from streams import metrics

HEAD_SECONDS = 10.0
"""In this time a connection has to have sent the whole head of a request: of its first, or of one begun; and
what it has announced of a body, once it has been answered."""
HANDSHAKE_SECONDS = 3.0
"""In this time a TLS handshake has to be made: until then a connection is neither counted nor makes room."""
DRAIN_SECONDS = 60.0
"""In this time a client has to take what it was sent: meanwhile it lies in our memory."""
CLOSED_AT_ONCE = 32
"""Each costs a while, and answers wait for it."""
KEEP_ALIVE_SECONDS = 65
"""For so long a connection may wait for its next request: longer than proxies keep theirs."""
OTHER_FILES = 200
"""Open files besides connections: Kafka's, the log's, the listener's."""
LEAST_CONNECTIONS = 16


class Waiting:
    """The connections of one server that are not being answered, since when, oldest first."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._since: dict[Connection, float] = {}
        self._idle: dict[Connection, None] = {}

    def begins(self, connection: Connection) -> None:
        """A request's head is awaited, or has been received in part, or a body is still to come."""
        self._idle.pop(connection, None)
        self._since.setdefault(connection, time.monotonic())

    def rests(self, connection: Connection) -> None:
        """It has been answered, and may ask again."""
        self._since.pop(connection, None)
        self._idle.pop(connection, None)
        self._idle[connection] = None

    def ends(self, connection: Connection) -> None:
        """It is being answered, or has gone."""
        self._since.pop(connection, None)
        self._idle.pop(connection, None)

    def make_room(self, newest: Connection) -> None:
        """Close the connection that has waited longest, the newest one if all others are being answered."""
        evicted = next(iter(self._idle), None) or next(iter(self._since), newest)
        evicted.evict()

    async def close_late(self) -> None:
        """Close those whose head, or body, is overdue."""
        due = time.monotonic() - HEAD_SECONDS
        late = [one for one, since in self._since.items() if since <= due]
        for number, connection in enumerate(late, 1):
            if self._since.get(connection, due + 1) <= due:  # nothing has come of it meanwhile
                connection.evict()
            if number % CLOSED_AT_ONCE == 0:
                await asyncio.sleep(0)


class Connection(H11Protocol):
    """uvicorn's protocol, with the bounds that it does not have."""

    waiting: Waiting

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Counts the connection; one beyond the bound takes the place of another."""
        super().connection_made(transport)
        self._draining: asyncio.TimerHandle | None = None
        self.waiting.begins(self)
        metrics.HTTP_CONNECTIONS.set(len(self.connections))
        if len(self.connections) > self.waiting.most:
            self.waiting.make_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets it."""
        self.waiting.ends(self)
        self._drained()
        super().connection_lost(exc)
        metrics.HTTP_CONNECTIONS.set(len(self.connections))

    def data_received(self, data: bytes) -> None:
        """What has begun has to end in time."""
        super().data_received(data)
        self._placed()

    def on_response_complete(self) -> None:
        """It waits for its next request from now on, unless that has come already."""
        super().on_response_complete()
        self._placed()

    def timeout_keep_alive_handler(self) -> None:
        """It has waited for long enough."""
        if not self.transport.is_closing():
            super().timeout_keep_alive_handler()
            self._placed()

    def eof_received(self) -> None:
        """It sends no more, upon which asyncio closes it once it has taken what it was sent."""
        super().eof_received()
        self._has_to_drain()

    def _placed(self) -> None:
        """Find its place by what is awaited of it: nothing, its next request, or the rest of something.

        Each byte stops uvicorn's timer for the next request, and what comes late of a body is no request.
        """
        newest: RequestResponseCycle | None = self.cycle
        if self.transport.is_closing():
            self.waiting.ends(self)
            self._has_to_drain()
        elif newest is not None and not newest.response_complete:
            self.waiting.ends(self)
        elif newest is not None and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self.waiting.rests(self)
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self.waiting.begins(self)

    def pause_writing(self) -> None:
        """The client does not take what it is sent: it has a while to."""
        super().pause_writing()
        self._has_to_drain()

    def resume_writing(self) -> None:
        """It has taken most of it."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._drained()

    def evict(self) -> None:
        """Close it at once."""
        metrics.HTTP_EVICTED.inc()
        self.waiting.ends(self)
        self.transport.abort()

    def _has_to_drain(self) -> None:
        if self._draining is None:
            self._draining = self.loop.call_later(DRAIN_SECONDS, self.evict)

    def _drained(self) -> None:
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None


def bounded(most: int, *, tls: bool = False) -> tuple[type[Connection], Waiting]:
    """The protocol of one server with so many connections, fewer where this process may not open so many
    files; and those that wait. With `tls` a quarter of the files is left to handshakes."""
    files = _files()
    left = files - OTHER_FILES - (files // 4 if tls else 0)
    waiting = Waiting(min(most, max(LEAST_CONNECTIONS, left)))
    bases: dict[str, Any] = {"waiting": waiting}
    return type("BoundedConnection", (Connection,), bases), waiting


def _files() -> int:
    """How many files this process may open, after asking for as many as it may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(soft, OTHER_FILES + LEAST_CONNECTIONS) if soft != resource.RLIM_INFINITY else 1 << 20
