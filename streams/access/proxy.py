"""SLUICE_AUTH=proxy: a proxy that is trusted by its address says in a header who asks."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable

from streams.access.identity import ANALYST, Headers, Identity, UnauthorizedError, header
from streams.setting_groups.rules import Network

LASTS_SECONDS = 300.0
"""For so long what the proxy has said counts on a stream, which then has to be asked for anew: by what the
proxy lets through we hear whether somebody may still ask."""


class Proxy:
    """Takes the analyst from a header, of requests from these networks alone. `clock`: seconds."""

    def __init__(
        self, name: str, networks: Iterable[Network], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._clock = clock
        self._key = name.lower().encode()
        self._networks = tuple(networks)

    def identify(self, headers: Headers, address: str | None) -> Identity:
        """Raises `UnauthorizedError`."""
        if not self._trusts(address):
            raise UnauthorizedError("only the proxy may ask here (SLUICE_PROXY_ADDRESSES)")
        analyst = header(headers, self._key)
        if analyst is None or not ANALYST.fullmatch(analyst):
            raise UnauthorizedError(f"the proxy has to say who asks, once, in the header {self._name}")
        until = self._clock() + LASTS_SECONDS
        return Identity(analyst, lambda: self._clock() < until, told_again=True)

    def _trusts(self, address: str | None) -> bool:
        try:
            peer = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        mapped = getattr(peer, "ipv4_mapped", None)
        return any((mapped or peer) in network for network in self._networks)
