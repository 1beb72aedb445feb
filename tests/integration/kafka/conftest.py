"""One secured Kafka for all tests of how to get in, with credentials that do and that do not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.certificates import EXPIRED, Authority
from tests.support.granted import PASSWORDS
from tests.support.kafka import running
from tests.support.secured import PASSWORD, USER, SecuredKafka
from tests.support.signed_tokens import SigningKey


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """Never stop it. Files of secrets lie in its folder."""
    broker = SecuredKafka(tmp_path_factory.mktemp("secured") / "kafka", PASSWORDS)
    other = Authority(broker.folder / "other-ca.pem")
    files: dict[str, str | bytes] = {
        "right": PASSWORD,
        "wrong": "not-the-password",
        "empty": "",
        "two-lines": "a\nb",
        "token": broker.token(USER),
        "expired": broker.token(USER, iat=1, exp=int(time.time()) - 60),
        "forged": broker.token(USER, SigningKey("tests", "RS256")),
        "elsewhere": broker.token(USER, aud="another-kafka"),
        "expired.pem": b"".join(broker.authority.client(USER, until=EXPIRED)),
        "unknown.pem": b"".join(other.client(USER)),
    }
    for name, text in files.items():
        broker.file(name, text)
    yield from running(broker)
