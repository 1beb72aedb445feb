"""TLS of the api: its certificate, read again when it changes."""

from __future__ import annotations

import asyncio
import logging
import ssl

from streams.settings import SettingError, Settings

LOOK_SECONDS = 10.0

log = logging.getLogger(__name__)

Times = tuple[int, ...]


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The server's context; None without a certificate. Raises `SettingError`."""
    if settings.http_tls_cert is None:
        if settings.http_tls_key is not None:
            raise SettingError("SLUICE_HTTP_TLS_CERT", "", "set with SLUICE_HTTP_TLS_KEY")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        _load(context, settings)
    except (OSError, ssl.SSLError) as error:
        raise SettingError(
            "SLUICE_HTTP_TLS_CERT",
            str(settings.http_tls_cert),
            f"a PEM file with a certificate, and its key there too or in SLUICE_HTTP_TLS_KEY ({error})",
        ) from None
    return context


async def follow_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Take a new certificate for new connections when its files change, until cancelled."""
    loaded = _changed_at(settings)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        newest = _changed_at(settings)
        if newest == loaded:
            continue
        loaded = newest
        try:
            _load(context, settings)
        except (OSError, ssl.SSLError) as error:
            log.error("%s: %s; the former certificate still counts", settings.http_tls_cert, error)  # noqa: TRY400
        else:
            log.info("read %s again", settings.http_tls_cert)


def _load(context: ssl.SSLContext, settings: Settings) -> None:
    assert settings.http_tls_cert is not None
    # A key with a pass phrase would ask for it on the terminal: it is an error instead.
    context.load_cert_chain(settings.http_tls_cert, settings.http_tls_key, password=lambda: "")


def _changed_at(settings: Settings) -> Times:
    times: list[int] = []
    for path in (settings.http_tls_cert, settings.http_tls_key):
        try:
            times.append(0 if path is None else path.stat().st_mtime_ns)
        except OSError:
            times.append(-1)
    return tuple(times)
