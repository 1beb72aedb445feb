"""The client by which our own commands ask the api."""

from __future__ import annotations

import ssl

from streams.client.client import SluiceClient
from streams.client.transport import TIMEOUT_SECONDS
from streams.settings import SettingError, Settings
from streams.text_file import TextFileError, small_text

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is the api that may listen there


def client_of(
    settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS, url: str | None = None
) -> SluiceClient:
    """Of the api at `url`, without one of the api that these settings start. Raises `SettingError`."""
    if url is None:
        host = settings.http_host.strip("[]")
        host = ANY_ADDRESS.get(host, host)
        scheme = "http" if settings.http_tls_cert is None else "https"
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.http_port}"
    return SluiceClient(url, _token(settings), _trust(settings), timeout_seconds)


def _token(settings: Settings) -> str | None:
    path = settings.api_token_file
    if path is None:
        return None
    try:
        token = small_text(path).strip()
    except TextFileError as error:
        raise SettingError("SLUICE_API_TOKEN_FILE", str(path), f"readable ({error})") from None
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        allowed = "a file with one token: printable ASCII without blanks"
        raise SettingError("SLUICE_API_TOKEN_FILE", str(path), allowed)
    return token


def _trust(settings: Settings) -> ssl.SSLContext:
    try:
        trust = ssl.create_default_context()
        if settings.api_ca_file is not None:
            trust.load_verify_locations(settings.api_ca_file)
    except (OSError, ssl.SSLError) as error:
        allowed = f"a PEM file of certificates ({error})"
        raise SettingError("SLUICE_API_CA_FILE", str(settings.api_ca_file), allowed) from None
    return trust
