"""Stripe's signatures, against ones that were made by another program."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
from pathlib import Path

import pytest

from streams.access.kept_file import KeptFileError
from streams.ingest.stripe_signature import SignatureError, check_signature, read_secrets

NOW = 1772366400
BODY = b'{"id": "evt_1"}\n'
NEW, OLD = b"whsec_new", b"whsec_old"


def signed(secret: bytes, body: bytes = BODY, at: int = NOW) -> str:
    return hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()


def test_it_is_what_openssl_makes_of_the_time_and_the_body() -> None:
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", NEW.decode(), "-r"],
        input=b"%d." % NOW + BODY,
        capture_output=True,
        check=True,
        timeout=30,
    )
    check_signature(f"t={NOW},v1={made.stdout.split()[0].decode()},v0=abc", BODY, (NEW,), NOW)


def test_secrets_can_be_rolled() -> None:
    both = f"t={NOW},v1={signed(OLD)},v1={signed(NEW)}"
    for secrets in ((NEW,), (OLD,), (b"whsec_other", NEW)):
        check_signature(both, BODY, secrets, NOW)
    check_signature(f"t={NOW}, v1={signed(OLD)}", BODY, (NEW, OLD), NOW)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_are_tolerated(seconds: int) -> None:
    check_signature(f"t={NOW},v1={signed(NEW)}", BODY, (NEW,), NOW + seconds)


WRONG = {
    "none": None,
    "empty": "",
    "no time": f"v1={signed(NEW)}",
    "two times": f"t={NOW},t={NOW},v1={signed(NEW)}",
    "a time that is none": f"t=x,v1={signed(NEW)}",
    "no signature": f"t={NOW}",
    "another scheme's": f"t={NOW},v0={signed(NEW)}",
    "another secret's": f"t={NOW},v1={signed(b'whsec_other')}",
    "another body's": f"t={NOW},v1={signed(NEW, b'{}')}",
    "another time's": f"t={NOW + 1},v1={signed(NEW)}",
    "too old": f"t={NOW - 301},v1={signed(NEW, at=NOW - 301)}",
    "too new": f"t={NOW + 301},v1={signed(NEW, at=NOW + 301)}",
    "cut": f"t={NOW},v1={signed(NEW)[:-1]}",
}


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_not_stripes(name: str) -> None:
    with pytest.raises(SignatureError):
        check_signature(WRONG[name], BODY, (NEW,), NOW)


def test_secrets_are_the_lines_of_a_file() -> None:
    assert read_secrets(Path("f"), "# old\nwhsec_old\n\n whsec_new \n") == (OLD, NEW)
    with pytest.raises(KeptFileError, match="has no secret"):
        read_secrets(Path("f"), "\n# none\n")
