"""Hosts that only this machine reaches."""

from __future__ import annotations

import ipaddress

LOOPBACK = "a loopback address (127.0.0.1, ::1 or localhost)"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    host = host.strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
