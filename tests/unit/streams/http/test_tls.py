"""The api's certificate: renewed while connections are made, whichever of its files is written first."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from streams.http.connection import tls
from streams.http.connection.tls import RenewedContext, follow_certificate, tls_context
from streams.settings import Settings
from tests.support.certificates import Authority
from tests.support.kafka import wait_until
from tests.support.no_more_files import no_more_files


class Files:
    """A certificate and its key, in a file each."""

    def __init__(self, folder: Path) -> None:
        self._authority = Authority(folder / "ca.pem")
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        for path, text in zip((self.cert, self.key), self.renewed("first"), strict=True):
            path.write_bytes(text)

    def renewed(self, name: str) -> tuple[bytes, bytes]:
        """Another certificate, and its key."""
        return self._authority.client(name)

    @property
    def settings(self) -> Settings:
        return Settings.load({"SLUICE_HTTP_TLS_CERT": str(self.cert), "SLUICE_HTTP_TLS_KEY": str(self.key)})


def shown(context: RenewedContext) -> str:
    """Whose certificate a new connection is shown, after a whole handshake."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = asking.wrap_bio(back, there), context.wrap_bio(there, back, server_side=True)
    for side in (client, server) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.version() == server.version() == "TLSv1.3"
    certificate = x509.load_der_x509_certificate(client.getpeercert(binary_form=True) or b"")
    return certificate.subject.rfc4514_string().removeprefix("CN=")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
async def context(files: Files, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RenewedContext]:
    """That of a server that follows the files."""
    monkeypatch.setattr(tls, "LOOK_SECONDS", 0.01)
    made = tls_context(files.settings)
    assert made is not None
    following = asyncio.create_task(follow_certificate(made, files.settings))
    yield made
    assert not following.done()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


@pytest.mark.parametrize("first", ["cert", "key"])
async def test_while_one_of_two_files_is_new_the_former_certificate_counts(
    files: Files, context: RenewedContext, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert shown(context) == "first"
    certificate, key = files.renewed("second")
    writes = [(files.cert, certificate), (files.key, key)]
    for number, (path, text) in enumerate(writes if first == "cert" else reversed(writes)):
        path.write_bytes(text)
        if number == 0:
            await wait_until(lambda: "still counts" in caplog.text, "word of what does not go together")
            assert shown(context) == "first"
    await wait_until(lambda: shown(context) == "second", "the new certificate")
    assert "KEY_VALUES_MISMATCH" in caplog.text


async def test_what_could_not_be_read_is_tried_again(
    files: Files, context: RenewedContext, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = files.renewed("second")
    for path, text in ((files.key, key), (files.cert, certificate)):
        new = path.with_suffix(".new")
        new.write_bytes(text)
        new.rename(path)
    with no_more_files():
        await wait_until(lambda: "Too many open files" in caplog.text, "word of it")
        assert shown(context) == "first"
    await wait_until(lambda: shown(context) == "second", "the new certificate")
    assert sum("still counts" in record.getMessage() for record in caplog.records) == 1
