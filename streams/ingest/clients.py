"""Who may post: tokens, of which only the hash is kept, and how many events a second each may send."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from streams.access.bearer import DIGEST_RULE, bearer_token, holder_of, parse_digest
from streams.access.kept_file import KeptFile, KeptFileError

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")

ANYONE = "anyone"
"""Who posts where no token is asked for."""


class Client(NamedTuple):
    """A line of the tokens file. `rate`: events a second; None: no limit."""

    name: str
    digest: bytes
    rate: float | None


def read_clients(path: Path, text: str) -> tuple[Client, ...]:
    """The lines `name,sha256 of the token[,events per second]`; empty ones and comments (#) are passed over.

    Raises `KeptFileError`, with the line, for the first that is wrong.
    """
    found: dict[str, Client] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            client = _client(path, number, [part.strip() for part in line.split(",")])
            if client.name in found:
                raise KeptFileError(f"{path}, line {number}: {client.name} is there twice")
            found[client.name] = client
    return tuple(found.values())


def _client(path: Path, number: int, parts: list[str]) -> Client:
    where = f"{path}, line {number}"
    if len(parts) not in (2, 3):
        raise KeptFileError(f"{where}: must be name,sha256 of the token[,events per second]")
    if not _NAME.fullmatch(parts[0]):
        raise KeptFileError(f"{where}: a name is of A-Z a-z 0-9 . _ -, up to 64")
    digest = parse_digest(parts[1])
    if digest is None:
        raise KeptFileError(f"{where}: the second is {DIGEST_RULE}")
    if len(parts) == 2:
        return Client(parts[0], digest, None)
    if not _RATE.fullmatch(parts[2]) or float(parts[2]) <= 0:
        raise KeptFileError(f"{where}: events per second is a number above 0")
    return Client(parts[0], digest, float(parts[2]))


class Clients:
    """Tells clients by their tokens, and holds them to their rates. Without a file anyone may post."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = None if path is None else KeptFile(path, read_clients)
        self._clock = clock
        self._levels: dict[str, tuple[float, float]] = {}

    @property
    def anyone(self) -> bool:
        """Whether no token is asked for."""
        return self._file is None

    @property
    def names(self) -> tuple[str, ...]:
        """Of those who may post."""
        return () if self._file is None else tuple(client.name for client in self._file.get())

    def of(self, authorization: str | None) -> Client | None:
        """The client of an Authorization header; None if it has none of the tokens."""
        if self._file is None:
            return Client(ANYONE, b"", None)
        return holder_of(bearer_token(authorization), self._file.get())

    def wait_seconds(self, client: Client) -> float:
        """For how long a client has to wait before its next events; 0: it need not."""
        if client.rate is None:
            return 0.0
        level = self._level(client)
        return 0.0 if level > 0 else (1 - level) / client.rate if level > -1e12 else 1e12

    def take(self, client: Client, count: int) -> None:
        """Events of a client. More than it has left are waited for afterwards: a batch is not cut."""
        if client.rate is not None:
            self._levels[client.name] = (self._level(client) - count, self._clock())

    def _level(self, client: Client) -> float:
        """What is left to a client: what its rate has added since, up to a second's worth (one event at
        least)."""
        assert client.rate is not None
        most = max(1.0, client.rate)
        level, since = self._levels.get(client.name, (most, self._clock()))
        return min(most, level + (self._clock() - since) * client.rate)
