"""TLS to Kafka: whom we trust, and our own certificate, read again when their files change."""

from __future__ import annotations

import logging
import ssl
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Self

from streams.certificates import measure_end
from streams.settings import SettingError, Settings
from streams.text_file import FileChanges, TextFileError, small_text

log = logging.getLogger(__name__)


class TlsFiles(NamedTuple):
    """The files of `SLUICE_KAFKA_CA_FILE`, `_CERT_FILE`, `_KEY_FILE` and `_KEY_PASSWORD_FILE`."""

    ca: Path | None
    cert: Path | None
    key: Path | None
    key_password: Path | None


def tls_files(settings: Settings) -> TlsFiles:
    """Those of the settings."""
    return TlsFiles(
        settings.kafka_ca_file,
        settings.kafka_cert_file,
        settings.kafka_key_file,
        settings.kafka_key_password_file,
    )


@lru_cache(maxsize=8)
def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """One for all clients of a process. Raises `SettingError` for a file that is wrong at first."""
    return _Renewed(files)


class _Renewed(ssl.SSLContext):
    """Has each new connection made by a context of the files as they are now; while they are wrong, by the
    former one. Of one context only the certificate could be changed, not whom it trusts."""

    _files: TlsFiles
    _changes: FileChanges
    _newest: ssl.SSLContext
    _lock: Lock

    def __new__(cls, files: TlsFiles) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._files = files
        context._changes = FileChanges(*files)
        context._newest = _loaded(files)
        context._lock = Lock()
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Called by asyncio for each connection."""
        with self._lock:  # a worker has two event loops, in two threads
            self._look()
            return self._newest.wrap_bio(*args, **kwargs)

    def _look(self) -> None:
        if not self._changes.pending():
            return
        try:
            self._newest = _loaded(self._files)
        except SettingError as error:  # tried again for each connection: it may pass without another change
            if self._changes.is_news():
                log.error("%s; what its file said before still counts", error)  # noqa: TRY400 - the line is enough
        else:
            self._changes.take()
            log.info("read the certificates for Kafka again")


def _loaded(files: TlsFiles) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=files.ca)
    except (OSError, ssl.SSLError) as error:
        allowed = f"a PEM file of certificates ({error})"
        raise SettingError("SLUICE_KAFKA_CA_FILE", str(files.ca), allowed) from None
    if files.cert is not None:
        try:
            # Without a pass phrase OpenSSL would ask for one on the terminal.
            context.load_cert_chain(files.cert, files.key, password=lambda: _pass_phrase(files) or "")
        except (OSError, ssl.SSLError) as error:
            raise _wrong_certificate(files, error) from None
    measure_end("SLUICE_KAFKA_CA_FILE", files.ca, max)
    measure_end("SLUICE_KAFKA_CERT_FILE", files.cert)
    return context


def _pass_phrase(files: TlsFiles) -> str | None:
    if files.key_password is None:
        return None
    try:
        return small_text(files.key_password).strip()
    except TextFileError as error:
        allowed = f"a file with the key's pass phrase ({error})"
        raise SettingError("SLUICE_KAFKA_KEY_PASSWORD_FILE", str(files.key_password), allowed) from None


def _wrong_certificate(files: TlsFiles, error: Exception) -> SettingError:
    """Which of the files is wrong: OpenSSL tells a missing key and a wrong pass phrase alike."""
    assert files.cert is not None
    certificate, key = _text(files.cert), _text(files.key or files.cert)
    path = str(files.key or "")
    if "BEGIN CERTIFICATE" not in certificate:
        return SettingError(
            "SLUICE_KAFKA_CERT_FILE", str(files.cert), f"a PEM file with a certificate ({error})"
        )
    if "PRIVATE KEY" not in key:
        allowed = "a PEM file with the private key of SLUICE_KAFKA_CERT_FILE, where that has none itself"
        return SettingError("SLUICE_KAFKA_KEY_FILE", path, allowed)
    if "ENCRYPTED" in key and getattr(error, "reason", "") != "KEY_VALUES_MISMATCH":
        allowed = f"a file with the pass phrase of the private key in {files.key or files.cert}"
        return SettingError("SLUICE_KAFKA_KEY_PASSWORD_FILE", str(files.key_password or ""), allowed)
    allowed = f"a PEM file with the private key of SLUICE_KAFKA_CERT_FILE ({error})"
    return SettingError("SLUICE_KAFKA_KEY_FILE", path, allowed)


def _text(path: Path) -> str:
    try:
        return small_text(path)
    except TextFileError:
        return ""


def out_of_date(settings: Settings) -> str | None:
    """Whether our certificate has expired or is not valid yet, in words; None: it is not that."""
    from cryptography import x509  # noqa: PLC0415 - only where brokers refuse us

    if settings.kafka_cert_file is None:
        return None
    try:
        ours = x509.load_pem_x509_certificates(settings.kafka_cert_file.read_bytes())[0]
    except (OSError, ValueError):
        return None
    now = datetime.now(UTC)
    if now > ours.not_valid_after_utc:
        return f"it expired at {ours.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    if now < ours.not_valid_before_utc:
        return f"it is not valid before {ours.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    return None
