"""Keys from a file and from a URL."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from streams.access import jwks
from streams.access.jwks import KeyUrl, read_keys
from streams.access.kept_file import KeptFileError
from tests.support.kafka import wait_until
from tests.support.signed_tokens import SigningKey, key_set

FIRST, SECOND = SigningKey("k1"), SigningKey("k2", "RS256")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no JSON"),
        ("[]", "must be a JWK Set"),
        ('{"keys": 5}', "must be a JWK Set"),
        ('{"keys": []}', "has no key"),
        ('{"keys": [5]}', "key 1: must be an object"),
        (key_set({"kty": "oct", "k": "AAAA", "kid": "s"}), "has no key"),
        (key_set(FIRST, FIRST), "key 2: another key has its kid"),
        (key_set({"kty": "RSA", "kid": "r", "n": "AA"}), "key 1: is no key"),
        (key_set(FIRST.jwk(d="AAAA")), "key 1: is a private key"),
        (key_set(FIRST, FIRST.jwk(kid=["a"])), "key 2: its kid must be a text"),
        (key_set(FIRST.jwk(kid={})), "key 1: its kid must be a text"),
        (key_set(FIRST.jwk(key_ops=None)), "key 1: its key_ops must be a list"),
        (key_set(FIRST.jwk(key_ops="verify")), "key 1: its key_ops must be a list"),
        (key_set(FIRST.jwk(alg=["ES256"])), "key 1: is no key"),
        (key_set(SECOND.jwk(n=5)), "key 1: is no key"),
        ("[" * 400_000, "is nested too deeply"),
        ('{"keys": ' + "[" * 400_000, "is nested too deeply"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(KeptFileError, match=said):
        read_keys("jwks.json", text)


def test_keys_for_something_else_and_of_unknown_kinds_are_passed_over() -> None:
    others = [
        SECOND.jwk(use="enc", kid="e"),
        SECOND.jwk(key_ops=["wrapKey"], kid="w"),
        {"kty": "LATTICE", "kid": "q"},
        {"kty": "OKP", "crv": "X448", "x": "AAAA", "kid": "x"},
        {"kty": "oct", "k": "AAAA", "kid": "s"},
    ]
    assert set(read_keys("jwks.json", key_set(*others, FIRST))) == {"k1"}


class Provider:
    """An identity provider's web server: what it answers can be changed."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, key_set(FIRST), 0


@pytest.fixture
def provider() -> Iterator[tuple[Provider, str]]:
    made = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            self.send_response(made.status)
            self.end_headers()
            self.wfile.write(made.body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made, f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_keys_of_a_url_are_kept_new(
    provider: tuple[Provider, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made, url = provider
    monkeypatch.setattr(jwks, "SOONEST_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "RETRY_SECONDS", 0.05)
    keys = KeyUrl(url)
    assert not keys.keys()
    following = asyncio.create_task(keys.follow())
    await wait_until(lambda: set(keys.keys()) == {"k1"}, "the keys")
    made.body = key_set(FIRST, SECOND)
    keys.missed()
    await wait_until(lambda: set(keys.keys()) == {"k1", "k2"}, "the new key")
    for status, body in (
        (500, ""),
        (200, "no json"),
        (200, json.dumps({"keys": [" " * jwks.MOST_BYTES]})),
        (200, key_set(FIRST.jwk(key_ops=None))),
        (200, key_set(FIRST.jwk(kid=["a"]))),
        (200, "[" * 400_000),
    ):
        made.status, made.body, asked = status, body, made.asked
        keys.missed()
        await wait_until(lambda asked=asked: made.asked > asked + 1, "another try")
        assert set(keys.keys()) == {"k1", "k2"}, "the former ones still count"
    assert "still count" in caplog.text
    made.status, made.body = 200, key_set(SECOND)
    await wait_until(lambda: set(keys.keys()) == {"k2"}, "the keys after the outage")
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_unknown_keys_have_it_asked_once_in_a_while(provider: tuple[Provider, str]) -> None:
    made, url = provider
    keys = KeyUrl(url)
    following = asyncio.create_task(keys.follow())
    await wait_until(lambda: bool(keys.keys()), "the keys")
    for _ in range(100):
        keys.missed()
        await asyncio.sleep(0)
    assert made.asked == 1
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_an_address_that_can_be_none_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jwks, "RETRY_SECONDS", 0.01)
    following = asyncio.create_task(KeyUrl("https://127.0.0.1:99999/keys").follow())
    await wait_until(lambda: len(caplog.records) > 1 or following.done(), "another try")
    assert not following.done()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
