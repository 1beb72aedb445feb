"""Analysts as a proxy names them."""

from __future__ import annotations

import ipaddress

import pytest

from streams.access.identity import UnauthorizedError
from streams.access.proxy import Proxy

PROXY = Proxy("X-Forwarded-User", [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::1/128")])
ANA = [(b"x-forwarded-user", b"ana")]


@pytest.mark.parametrize("address", ["10.1.2.3", "fd00::1", "::ffff:10.1.2.3"])
def test_the_proxy_says_who_asks(address: str) -> None:
    assert PROXY.identify(ANA, address).analyst == "ana"


def test_what_it_has_said_counts_for_five_minutes() -> None:
    now = [1000.0]
    proxy = Proxy("X-Forwarded-User", [ipaddress.ip_network("10.1.0.0/16")], lambda: now[0])
    ana = proxy.identify(ANA, "10.1.2.3")
    assert (ana.lasts(), ana.told_again) == (True, True)
    now[0] += 299.9
    assert ana.lasts()
    now[0] += 0.1
    assert not ana.lasts()
    assert proxy.identify(ANA, "10.1.2.3").lasts(), "it has said so again"


@pytest.mark.parametrize("address", ["10.2.0.1", "127.0.0.1", "fd00::2", None, "", "localhost"])
def test_nobody_else_does(address: str | None) -> None:
    with pytest.raises(UnauthorizedError, match="SLUICE_PROXY_ADDRESSES"):
        PROXY.identify(ANA, address)


@pytest.mark.parametrize(
    "headers", [[], ANA * 2, [*ANA, (b"x-forwarded-user", b"ben")], [(b"x-forwarded-user", b"ana, ben")],
                [(b"x-forwarded-user", b"")], [(b"x-forwarded-user", b"a" * 201)]]
)  # fmt: skip
def test_it_has_to_say_one_name(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(UnauthorizedError, match="in the header X-Forwarded-User"):
        PROXY.identify(headers, "10.1.2.3")
