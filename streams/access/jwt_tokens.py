"""SLUICE_AUTH=jwt: JSON Web Tokens (RFC 7519) that an identity provider has signed; the analyst is `sub`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import jwt

from streams.access.bearer import bearer_token
from streams.access.identity import ANALYST, ANALYST_RULE, Headers, Identity, UnauthorizedError, header
from streams.access.jwks import Keys, KeySource

AHEAD_SECONDS = 5
"""So far the provider's clock may be ahead of ours: for `nbf` alone, never for `exp`."""
MOST_BYTES = 16_384
JUDGED_HERE = ("verify_exp", "verify_nbf", "verify_iat")

_SAID = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.InvalidAudienceError: "the token is for another audience than SLUICE_JWT_AUDIENCE",
    jwt.InvalidIssuerError: "the token is of another issuer than SLUICE_JWT_ISSUER",
    jwt.InvalidAlgorithmError: "the token's algorithm is not its key's, or not in SLUICE_JWT_ALGORITHMS",
    jwt.InvalidSignatureError: "the token's signature is wrong",
}


class JwtTokens:
    """Tells analysts by signed tokens. `clock`: epoch seconds."""

    def __init__(
        self,
        source: KeySource,
        audience: str,
        issuer: str,
        algorithms: Sequence[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._clock = clock
        self._rules: dict[str, Any] = {
            "audience": audience,
            "issuer": issuer or None,
            "algorithms": list(algorithms),
            "options": {"require": ["exp", "sub", "aud"], **dict.fromkeys(JUDGED_HERE, False)},
        }

    def identify(self, headers: Headers, address: str | None) -> Identity:  # noqa: ARG002
        """Raises `UnauthorizedError`."""
        token = bearer_token(header(headers, b"authorization"))
        if token is None:
            raise UnauthorizedError("a token is needed: Authorization: Bearer TOKEN")
        keys = self._source.keys()
        analyst, expires = self._verified(token, keys)

        def lasts() -> bool:
            nonlocal keys
            newest = self._source.keys()
            if newest is not keys:
                try:
                    self._verified(token, newest)
                except UnauthorizedError:
                    return False
                keys = newest
            return self._clock() < expires

        return Identity(analyst, lasts)

    def _verified(self, token: str, keys: Keys) -> tuple[str, float]:
        """The analyst, and when the token expires (epoch seconds)."""
        if len(token) > MOST_BYTES:
            raise UnauthorizedError(f"the token is longer than {MOST_BYTES:,} bytes")
        try:
            claims = jwt.decode(token, self._key(token, keys), **self._rules)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise UnauthorizedError(_reason(error)) from None
        expires = _seconds(claims, "exp")
        begins = _seconds(claims, "nbf") if "nbf" in claims else 0.0
        now = self._clock()
        if now >= expires:
            raise UnauthorizedError(_SAID[jwt.ExpiredSignatureError])
        if now + AHEAD_SECONDS < begins:
            raise UnauthorizedError("the token does not count yet (nbf)")
        analyst = claims["sub"]
        if not isinstance(analyst, str) or not ANALYST.fullmatch(analyst):
            raise UnauthorizedError(f"the token's sub must be {ANALYST_RULE}")
        return analyst, expires

    def _key(self, token: str, keys: Keys) -> jwt.PyJWK:
        if not keys:
            raise UnauthorizedError("there are no keys yet to judge tokens by (SLUICE_JWKS_URL): try again")
        kid = jwt.get_unverified_header(token).get("kid")
        key = keys.get(kid) if kid is not None or len(keys) > 1 else next(iter(keys.values()))
        if key is None:
            self._source.missed()
            raise UnauthorizedError("the token is signed by a key that is not known here")
        return key


def _seconds(claims: dict[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise UnauthorizedError(f"the token's {name} must be a time in seconds since 1970")
    return float(value)


def _reason(error: Exception) -> str:
    """What is wrong, without a word of the token's."""
    for kind, said in _SAID.items():
        if isinstance(error, kind):
            return said
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token has no {error.claim}"
    return "this is no JSON Web Token that can be read"
