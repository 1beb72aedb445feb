"""Who may see what: one place that every request, stream and page goes through."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import NamedTuple

from streams.access.city_scopes import CityScopes
from streams.access.identity import Headers, Identifier
from streams.access.jwks import KeyFile, KeySource, KeyUrl
from streams.access.jwt_tokens import JwtTokens
from streams.access.operators import Operators
from streams.access.proxy import Proxy
from streams.access.tokens import Tokens
from streams.settings import SettingError, Settings
from tables.scope import Scope

ANYONE = "anyone"
"""Who asks where nobody is asked who they are (SLUICE_AUTH=off)."""


class AccessEndedError(Exception):
    """What a visitor has shown no longer counts."""


class AskAgainError(AccessEndedError):
    """It has to be told anew who asks, as the next request does by itself."""


class Visitor(NamedTuple):
    """Who asks. `seen`: the cities that they may see now (None: all, and null); `told_again`: as `Identity`
    has it; `operates`: whether they have the role `operator` now."""

    analyst: str
    lasts: Callable[[], bool]
    seen: Callable[[], Scope]
    told_again: bool = False
    operates: Callable[[], bool] = lambda: False

    def scope(self) -> Scope:
        """The cities that they may see now; it may change while a stream is open. Raises
        `AccessEndedError`."""
        if not self.lasts():
            if self.told_again:
                raise AskAgainError("it is a while since the proxy said who asks: ask again")
            raise AccessEndedError("your token has expired or was taken back")
        return self.seen()


class Access:
    """By what the settings say. Raises `KeptFileError` and `SettingError` for a file that is wrong."""

    def __init__(self, settings: Settings) -> None:
        self.key_url: KeyUrl | None = None
        self._identifier = self._of(settings)
        self._scopes = None if settings.city_scope_file is None else CityScopes(settings.city_scope_file)
        self._operators = None if settings.operators_file is None else Operators(settings.operators_file)

    def visitor(self, headers: Headers, address: str | None) -> Visitor:
        """Who asks. Raises `UnauthorizedError`."""
        if self._identifier is None:
            return EVERYONE
        identity = self._identifier.identify(headers, address)
        analyst, lasts, told_again = identity
        return Visitor(
            analyst, lasts, lambda: self._cities(analyst), told_again, lambda: self._operates(analyst)
        )

    def _operates(self, analyst: str) -> bool:
        return self._operators is not None and self._operators.has(analyst)

    def _cities(self, analyst: str) -> Scope:
        return frozenset() if self._scopes is None else self._scopes.of(analyst)

    def _of(self, settings: Settings) -> Identifier | None:
        if settings.auth == "tokens":
            assert settings.tokens_file is not None
            return Tokens(settings.tokens_file)
        if settings.auth == "proxy":
            return Proxy(settings.proxy_header, settings.proxy_addresses)
        if settings.auth == "jwt":
            rules = settings.jwt_audience, settings.jwt_issuer, settings.jwt_algorithms
            return JwtTokens(self._keys(settings), *rules)
        return None

    def _keys(self, settings: Settings) -> KeySource:
        if settings.jwks_file is not None:
            return KeyFile(settings.jwks_file)
        try:
            self.key_url = KeyUrl(settings.jwks_url, settings.jwks_ca_file)
        except (OSError, ssl.SSLError) as error:
            allowed = f"a PEM file of certificates ({error})"
            raise SettingError("SLUICE_JWKS_CA_FILE", str(settings.jwks_ca_file), allowed) from None
        return self.key_url


EVERYONE = Visitor(ANYONE, lambda: True, lambda: None, operates=lambda: True)
"""Who asks where SLUICE_AUTH is off: on this machine alone."""
