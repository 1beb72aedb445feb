"""The keys by which JSON Web Tokens are judged (a JWK Set, RFC 7517), from a file or from a URL."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt

from streams.access.kept_file import KeptFile, KeptFileError

REFRESH_SECONDS = 300.0
"""Age at which the keys of a URL are fetched again."""
SOONEST_SECONDS = 10.0
"""A key that is not known has them fetched earlier, but no more often than this: anyone may name one."""
RETRY_SECONDS = 5.0
TIMEOUT_SECONDS = 5.0
MOST_BYTES = 1 << 20
KINDS = ("RSA", "EC", "OKP")

log = logging.getLogger(__name__)

Keys = Mapping[str | None, jwt.PyJWK]
"""Key id → key; a set of one key may have none."""


class KeySource(Protocol):
    """Where keys come from."""

    def keys(self) -> Keys:
        """Those that count now."""

    def missed(self) -> None:
        """A token names a key that is not among them."""


class KeyFile:
    """The keys of a file (SLUICE_JWKS_FILE). Raises `KeptFileError` for a wrong one."""

    def __init__(self, path: Path) -> None:
        self._file = KeptFile(path, lambda where, text: read_keys(str(where), text))

    def keys(self) -> Keys:
        """As of a second ago at most."""
        return self._file.get()

    def missed(self) -> None:
        """The file is looked at anyway."""


class KeyUrl:
    """The keys of a URL (SLUICE_JWKS_URL): fetched in the background by `follow`; none until they have been.

    While it does not answer, the former keys count.
    """

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        self._url = url
        self._trust = ssl.create_default_context(cafile=ca_file)
        self._keys: Keys = {}
        self._fetched_at = -REFRESH_SECONDS
        self._wanted = asyncio.Event()

    def keys(self) -> Keys:
        """As last fetched."""
        return self._keys

    def missed(self) -> None:
        """Fetch earlier than is due."""
        if time.monotonic() - self._fetched_at >= SOONEST_SECONDS:
            self._wanted.set()

    async def follow(self) -> None:
        """Keep the keys new, until cancelled."""
        async with httpx.AsyncClient(verify=self._trust, timeout=TIMEOUT_SECONDS) as client:
            while True:
                self._wanted.clear()
                pause = REFRESH_SECONDS if await self._fetch(client) else RETRY_SECONDS
                try:
                    await asyncio.wait_for(self._wanted.wait(), pause)
                except TimeoutError:
                    continue

    async def _fetch(self, client: httpx.AsyncClient) -> bool:
        self._fetched_at = time.monotonic()
        try:
            self._keys = read_keys(self._url, (await self._body(client)).decode())
        except Exception as error:  # noqa: BLE001 - whatever a stranger answers: the next keys have to be fetched
            log.warning("the keys of SLUICE_JWKS_URL: %s; the former ones still count", _why(error))
            return False
        return True

    async def _body(self, client: httpx.AsyncClient) -> bytes:
        body = b""
        async with client.stream("GET", self._url) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    raise KeptFileError(f"{self._url}: is larger than {MOST_BYTES >> 20} MiB")
        return body


def _why(error: Exception) -> str:
    if isinstance(error, httpx.HTTPError | KeptFileError) and str(error):
        return str(error)
    return f"{type(error).__name__} {error}".rstrip()


def read_keys(name: str, text: str) -> Keys:
    """The public keys of a JWK Set. Raises `KeptFileError`, with the key's place, for one that is none."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise KeptFileError(f"{name}: is nested too deeply") from None
    except ValueError as error:
        raise KeptFileError(f"{name}: is no JSON ({error})") from None
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise KeptFileError(f'{name}: must be a JWK Set: {{"keys": […]}}')
    keys: dict[str | None, jwt.PyJWK] = {}
    for number, data in enumerate(listed, 1):
        key = _key(f"{name}, key {number}", data)
        if key is None:
            continue
        if key.key_id in keys:
            raise KeptFileError(f"{name}, key {number}: another key has its kid, or both have none")
        keys[key.key_id] = key
    if not keys:
        raise KeptFileError(f"{name}: has no key to verify signatures with")
    return keys


def _key(where: str, data: Any) -> jwt.PyJWK | None:
    """The key; None for one that is there for something else, or of a kind that is not known here: a provider
    may add such (RFC 7517, 5). A shared secret (oct) is no key to verify with either."""
    if not isinstance(data, dict):
        raise KeptFileError(f"{where}: must be an object")
    if data.get("kty") not in KINDS or data.get("use", "sig") != "sig":
        return None
    if not isinstance(data.get("kid"), str | None):
        raise KeptFileError(f"{where}: its kid must be a text")
    uses = data.get("key_ops", ["verify"])
    if not isinstance(uses, list):
        raise KeptFileError(f"{where}: its key_ops must be a list")
    if "verify" not in uses:
        return None
    if "d" in data:
        raise KeptFileError(f"{where}: is a private key; put the public one here")
    try:
        return jwt.PyJWK(data)
    except jwt.exceptions.InvalidKeyError as error:
        if "crv" in data:
            return None
        raise KeptFileError(f"{where}: is no key that can be read ({error})") from None
    except Exception as error:  # noqa: BLE001 - whatever its members make a library raise
        raise KeptFileError(f"{where}: is no key that can be read ({error})") from None
