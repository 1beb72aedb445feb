"""Who may ask the api, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.setting_groups.declared import SettingError, setting
from streams.setting_groups.rules import Network, choice, file, matching, names, networks, whole

SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What a public key can verify: none, and what a shared secret signs (HS256), are not among them."""


@dataclass(frozen=True, kw_only=True)
class AccessSettings:
    """Who may ask the api, and what they may see."""

    auth: str = setting(
        "off",
        choice("off", "tokens", "jwt", "proxy"),
        "how the api finds out who asks; off: anyone may see all, which needs a loopback host",
    )
    city_scope_file: Path | None = setting(  # noqa: RUF009
        "",
        file(),
        "analyst_city_scope: CSV lines analyst,city (* for all, and null); who has no line sees nothing",
    )
    operators_file: Path | None = setting(  # noqa: RUF009
        "",
        file(),
        "analysts, a line each, with the role operator: who may override gates and acknowledge alarms",
    )
    tokens_file: Path | None = setting(  # noqa: RUF009
        "", file(), "tokens: lines analyst,sha256 of the token"
    )
    jwks_file: Path | None = setting(  # noqa: RUF009
        "", file(), "jwt: JWK Set with the keys that sign tokens"
    )
    jwks_url: str = setting(
        "",
        matching(r"(https?://[^\s?#@]+(\?[^\s#]*)?)?", "http(s)://host/path"),
        "jwt: the same from a URL, fetched every five minutes, and for a key that is not known",
    )
    jwks_ca_file: Path | None = setting("", file(), "PEM file with that URL's CAs")  # noqa: RUF009
    jwt_audience: str = setting("", matching(r"[^\s]*", "a text without blanks"), "jwt: the aud that counts")
    jwt_issuer: str = setting(
        "", matching(r"[^\s]*", "a text without blanks"), "jwt: the iss that counts; empty: any"
    )
    jwt_algorithms: tuple[str, ...] = setting(
        "RS256,ES256",
        names("|".join(SIGNATURES), f"some of {', '.join(SIGNATURES)} with commas"),
        "jwt: how a token may be signed",
    )
    proxy_header: str = setting(
        "X-Forwarded-User", matching(r"[A-Za-z0-9-]{1,64}", "a header's name"), "proxy: says who asks"
    )
    proxy_addresses: tuple[Network, ...] = setting(
        "", networks(), "proxy: addresses of the proxies that are trusted, such as 10.0.0.5,10.1.0.0/16"
    )
    http_rate: int = setting(
        "100",
        whole(0, 1_000_000),
        "requests per second of one analyst, over ten seconds, a stream of several questions counted as that"
        " many; 0: no limit",
    )
    http_analyst_streams: int = setting(
        "250",
        whole(1, 1_000_000),
        "questions that the open streams of one analyst follow: those of several consoles",
    )

    def check_access(self) -> None:
        """What belongs together. Only who serves the api needs it. Raises `SettingError`."""
        if self.auth == "off":
            return
        if self.city_scope_file is None:
            raise SettingError("SLUICE_CITY_SCOPE_FILE", "", f"set with SLUICE_AUTH={self.auth}")
        if self.auth == "tokens" and self.tokens_file is None:
            raise SettingError("SLUICE_TOKENS_FILE", "", "set with SLUICE_AUTH=tokens")
        if self.auth == "proxy" and not self.proxy_addresses:
            raise SettingError("SLUICE_PROXY_ADDRESSES", "", "set with SLUICE_AUTH=proxy")
        if self.auth == "jwt":
            if (self.jwks_file is None) == (not self.jwks_url):
                allowed = "set with SLUICE_AUTH=jwt, or SLUICE_JWKS_URL, one of the two"
                raise SettingError("SLUICE_JWKS_FILE", str(self.jwks_file or ""), allowed)
            if not self.jwt_audience:
                raise SettingError("SLUICE_JWT_AUDIENCE", "", "set with SLUICE_AUTH=jwt")
