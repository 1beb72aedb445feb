"""SLUICE_AUTH=proxy: a proxy that is trusted by its address says in a header who asks."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from streams.access.identity import ANALYST, Headers, Identity, UnauthorizedError, header
from streams.setting_groups.rules import Network


class Proxy:
    """Takes the analyst from a header, of requests from these networks alone."""

    def __init__(self, name: str, networks: Iterable[Network]) -> None:
        self._name = name
        self._key = name.lower().encode()
        self._networks = tuple(networks)

    def identify(self, headers: Headers, address: str | None) -> Identity:
        """Raises `UnauthorizedError`."""
        if not self._trusts(address):
            raise UnauthorizedError("only the proxy may ask here (SLUICE_PROXY_ADDRESSES)")
        analyst = header(headers, self._key)
        if analyst is None or not ANALYST.fullmatch(analyst):
            raise UnauthorizedError(f"the proxy has to say who asks, once, in the header {self._name}")
        return Identity(analyst, lambda: True)

    def _trusts(self, address: str | None) -> bool:
        try:
            peer = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        mapped = getattr(peer, "ipv4_mapped", None)
        return any((mapped or peer) in network for network in self._networks)
