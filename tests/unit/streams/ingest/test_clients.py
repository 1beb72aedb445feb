"""Tokens and rates."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from streams.access.kept_file import KeptFileError
from streams.ingest.clients import Clients

SHOP = hashlib.sha256(b"shop-token").hexdigest()
BANK = hashlib.sha256(b"bank-token").hexdigest()


def clients(tmp_path: Path, text: str, now: list[float] | None = None) -> Clients:
    path = tmp_path / "tokens"
    path.write_text(text)
    at = now or [0.0]
    return Clients(path, lambda: at[0])


def name_of(known: Clients, authorization: str | None) -> str | None:
    client = known.of(authorization)
    return client and client.name


def test_a_client_is_known_by_its_token_alone(tmp_path: Path) -> None:
    known = clients(tmp_path, f"# who\n\nshop, {SHOP}\nbank,{BANK.upper()},2.5\n")
    assert name_of(known, "Bearer shop-token") == "shop"
    assert name_of(known, "bearer bank-token") == "bank"
    for wrong in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer shop-toke",
        f"Bearer {SHOP}",
        "Basic shop-token",
        "Bearer é",
    ):
        assert name_of(known, wrong) is None, wrong


def test_without_a_file_anyone_may_post() -> None:
    assert name_of(Clients(None), None) == "anyone"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("shop", "must be name,sha256"),
        (f"sh op,{SHOP}", "a name is of"),
        ("shop,secret-token", "SHA-256"),
        (f"shop,{SHOP},0", "above 0"),
        (f"shop,{SHOP},fast", "above 0"),
        (f"shop,{SHOP}\nshop,{BANK}", "is there twice"),
    ],
)
def test_a_wrong_line_is_named_and_not_shown(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(KeptFileError, match=said) as error:
        clients(tmp_path, f"# tokens\n{line}\n")
    assert "line " in str(error.value)
    assert "secret-token" not in str(error.value)


def test_a_rate_holds_and_a_batch_is_waited_for_afterwards(tmp_path: Path) -> None:
    now = [100.0]
    known = clients(tmp_path, f"shop,{SHOP},10\nbank,{BANK}\n", now)
    shop, bank = known.of("Bearer shop-token"), known.of("Bearer bank-token")
    assert shop is not None
    assert bank is not None
    assert known.wait_seconds(shop) == 0
    known.take(shop, 60)
    known.take(bank, 10**9)
    assert known.wait_seconds(bank) == 0
    wait = known.wait_seconds(shop)
    assert 5 < wait < 5.2
    now[0] += wait
    assert known.wait_seconds(shop) == 0
    sent = 60
    for _ in range(10_000):  # as often as it may, over 100 s: no more than the rate and a second's worth
        now[0] += 0.01
        if not known.wait_seconds(shop):
            known.take(shop, 1)
            sent += 1
    assert 1000 <= sent <= 1000 + 5.2 * 10 + 11
