"""TLS of the api: its certificate, read again when it changes."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any, Self

from streams.certificates import measure_end
from streams.settings import SettingError, Settings
from streams.text_file import FileChanges

LOOK_SECONDS = 10.0

log = logging.getLogger(__name__)


class RenewedContext(ssl.SSLContext):
    """Has each new connection made by the context of the `newest` certificate.

    A context in use takes a new certificate before it sees that the key is not that one's, and keeps what it
    had of another kind of key: one that is renewed is made anew.
    """

    newest: ssl.SSLContext

    def __new__(cls, newest: ssl.SSLContext) -> Self:
        """With the first certificate."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        context.newest = newest
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Called by asyncio for each connection."""
        return self.newest.wrap_bio(*args, **kwargs)


def tls_context(settings: Settings) -> RenewedContext | None:
    """The server's context; None without a certificate. Raises `SettingError`."""
    if settings.http_tls_cert is None:
        if settings.http_tls_key is not None:
            raise SettingError("SLUICE_HTTP_TLS_CERT", "", "set with SLUICE_HTTP_TLS_KEY")
        return None
    try:
        return RenewedContext(_loaded(settings))
    except (OSError, ssl.SSLError) as error:
        raise SettingError(
            "SLUICE_HTTP_TLS_CERT",
            str(settings.http_tls_cert),
            f"a PEM file with a certificate, and its key there too or in SLUICE_HTTP_TLS_KEY ({error})",
        ) from None


async def follow_certificate(context: RenewedContext, settings: Settings) -> None:
    """Take a new certificate for new connections when its files change, until cancelled.

    Files that do not go together, or cannot be read, are tried again: of two one is written first.
    """
    changes = FileChanges(settings.http_tls_cert, settings.http_tls_key)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if not changes.pending():
            continue
        try:
            context.newest = _loaded(settings)
        except (OSError, ssl.SSLError) as error:
            if changes.is_news():
                log.error("%s: %s; the former certificate still counts", settings.http_tls_cert, error)  # noqa: TRY400
        else:
            changes.take()
            log.info("read %s again", settings.http_tls_cert)


def _loaded(settings: Settings) -> ssl.SSLContext:
    assert settings.http_tls_cert is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A key with a pass phrase would ask for it on the terminal: it is an error instead.
    context.load_cert_chain(settings.http_tls_cert, settings.http_tls_key, password=lambda: "")
    measure_end("SLUICE_HTTP_TLS_CERT", settings.http_tls_cert)
    return context
