"""Analysts by JSON Web Tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from streams.access.identity import UnauthorizedError
from streams.access.jwks import KeyFile
from streams.access.jwt_tokens import JwtTokens
from tests.support.changing_files import change
from tests.support.signed_tokens import AUDIENCE, SigningKey, key_set

KEY, RSA_KEY, OTHER = SigningKey("k1"), SigningKey("k2", "RS256"), SigningKey("k3")


def analysts(tmp_path: Path, keys: str, issuer: str = "", clock: Any = time.time, **rules: Any) -> JwtTokens:
    (tmp_path / "jwks.json").write_text(keys)
    algorithms = rules.pop("algorithms", ("ES256", "RS256"))
    return JwtTokens(KeyFile(tmp_path / "jwks.json"), AUDIENCE, issuer, algorithms, clock)


def identified(known: JwtTokens, token: str) -> str:
    return known.identify([(b"authorization", f"Bearer {token}".encode())], None).analyst


def refused(known: JwtTokens, token: str) -> str:
    with pytest.raises(UnauthorizedError) as error:
        identified(known, token)
    return str(error.value)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_the_analyst_is_the_sub(tmp_path: Path, algorithm: str) -> None:
    key = SigningKey("k", algorithm)
    known = analysts(tmp_path, key_set(key), algorithms=(algorithm,))
    assert identified(known, key.token(sub="ben@shop.example")) == "ben@shop.example"


def test_a_set_of_one_key_needs_no_ids(tmp_path: Path) -> None:
    key = SigningKey(None)
    assert identified(analysts(tmp_path, key_set(key)), key.token()) == "ana"


@pytest.mark.parametrize(
    ("claims", "left_out", "said"),
    [
        ({"exp": time.time() - 1}, (), "has expired"),
        ({}, ("exp",), "has no exp"),
        ({"exp": "tomorrow"}, (), "exp must be a time"),
        ({"exp": True}, (), "exp must be a time"),
        ({"exp": 1e300}, (), "exp must be a time"),
        ({"nbf": time.time() + 3600}, (), "does not count yet"),
        ({"nbf": "now"}, (), "nbf must be a time"),
        ({"aud": "another"}, (), "another audience"),
        ({}, ("aud",), "has no aud"),
        ({"aud": ["x", "y"]}, (), "another audience"),
        ({}, ("sub",), "has no sub"),
        ({"sub": ""}, (), "sub must be"),
        ({"sub": "a b"}, (), "sub must be"),
    ],
)
def test_every_claim_counts(
    tmp_path: Path, claims: dict[str, Any], left_out: tuple[str, ...], said: str
) -> None:
    assert said in refused(analysts(tmp_path, key_set(KEY)), KEY.token(*left_out, **claims))


def test_an_audience_may_be_one_of_several_and_an_issuer_may_be_asked_for(tmp_path: Path) -> None:
    known = analysts(tmp_path, key_set(KEY), issuer="https://id.example")
    assert (
        identified(known, KEY.token(aud=["x", AUDIENCE], iss="https://id.example", nbf=time.time() + 1))
        == "ana"
    )
    assert "another issuer" in refused(known, KEY.token(iss="https://other.example"))
    assert "has no iss" in refused(known, KEY.token())


def test_only_the_keys_of_the_set_sign(tmp_path: Path) -> None:
    known = analysts(tmp_path, key_set(KEY, RSA_KEY))
    assert "not known here" in refused(known, OTHER.token())
    assert "not known here" in refused(known, SigningKey(None).token())
    assert "signature is wrong" in refused(known, OTHER.token(headers={"kid": "k1"}))
    assert "algorithm" in refused(known, RSA_KEY.token(headers={"kid": "k1"}))


def test_algorithms_are_pinned(tmp_path: Path) -> None:
    known = analysts(tmp_path, key_set(KEY, RSA_KEY), algorithms=("ES256",))
    assert "algorithm" in refused(known, RSA_KEY.token())
    claims = {"sub": "ana", "aud": AUDIENCE, "exp": int(time.time()) + 300}
    assert refused(known, jwt.encode(claims, "", "none", {"kid": "k1"}))


def test_a_public_key_is_no_shared_secret(tmp_path: Path) -> None:
    known = analysts(tmp_path, key_set(KEY, RSA_KEY))

    def part(value: bytes | dict[str, Any]) -> str:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    claims = {"sub": "ana", "aud": AUDIENCE, "exp": int(time.time()) + 300}
    for secret in (json.dumps(RSA_KEY.jwk()).encode(), RSA_KEY.jwk()["n"].encode()):
        signed = f"{part({'alg': 'HS256', 'kid': 'k2', 'typ': 'JWT'})}.{part(claims)}"
        forged = f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"
        assert "algorithm" in refused(known, forged)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "." * 3, "e30.e30.", "e30." * 2000, "[" * 9000, "é"])
def test_what_is_no_token_is_refused(tmp_path: Path, token: str) -> None:
    assert refused(analysts(tmp_path, key_set(KEY)), token)


def test_changed_claims_are_refused(tmp_path: Path) -> None:
    head, _, signature = KEY.token().split(".")
    _, claims, _ = OTHER.token(sub="root").split(".")
    assert "signature is wrong" in refused(analysts(tmp_path, key_set(KEY)), f"{head}.{claims}.{signature}")


def test_a_rotated_key_and_the_expiry_end_what_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time()]
    known = analysts(tmp_path, key_set(KEY), clock=lambda: now[0])
    path = tmp_path / "jwks.json"
    held = known.identify([(b"authorization", f"Bearer {KEY.token()}".encode())], None)
    change(path, key_set(OTHER, KEY), monkeypatch)
    assert held.lasts(), "its key is still there"
    assert identified(known, OTHER.token()) == "ana"
    change(path, key_set(OTHER), monkeypatch)
    assert not held.lasts()
    held = known.identify([(b"authorization", f"Bearer {OTHER.token(exp=now[0] + 10)}".encode())], None)
    now[0] += 9
    assert held.lasts()
    now[0] += 1
    assert not held.lasts()
    assert "not known here" in refused(known, KEY.token())
