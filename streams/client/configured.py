"""The client that commands and workers ask with: which api, as whom, and whom to trust, by the settings."""

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
    """Of the api at `url`, without one that of SLUICE_API_URL, else the one that these settings start. Raises
    `SettingError`."""
    return SluiceClient(url or url_of(settings), token_of(settings), trust_of(settings), timeout_seconds)


def url_of(settings: Settings) -> str:
    """Where the api is."""
    return settings.api_url or own_url(settings)


def own_url(settings: Settings) -> str:
    """Where the api is that these settings start."""
    scheme = "http" if settings.http_tls_cert is None else "https"
    return f"{scheme}://{reachable(settings.http_host)}:{settings.http_port}"


def reachable(host: str) -> str:
    """The host of a URL by which this machine reaches what listens there."""
    host = ANY_ADDRESS.get(host.strip("[]"), host.strip("[]"))
    return f"[{host}]" if ":" in host else host


def token_of(settings: Settings) -> str | None:
    """What says who asks. Raises `SettingError`."""
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


def trust_of(settings: Settings) -> ssl.SSLContext:
    """Whom to believe that it is the api. Raises `SettingError`."""
    try:
        trust = ssl.create_default_context()
        if settings.api_ca_file is not None:
            trust.load_verify_locations(settings.api_ca_file)
    except (OSError, ssl.SSLError) as error:
        allowed = f"a PEM file of certificates ({error})"
        raise SettingError("SLUICE_API_CA_FILE", str(settings.api_ca_file), allowed) from None
    return trust
