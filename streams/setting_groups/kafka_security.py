"""Kafka: how to get in. Secrets are in files; a setting says which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from streams.setting_groups.declared import SettingError, setting
from streams.setting_groups.rules import choice, file, matching

PASSWORDS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
BEARER = "OAUTHBEARER"
MSK_IAM = "AWS_MSK_IAM"

_TLS = ("ca_file", "cert_file", "key_file", "key_password_file")
_PASSWORD = ("user", "password_file")
_TOKEN = ("token_file", "token_provider")


@dataclass(frozen=True, kw_only=True)
class KafkaSecuritySettings:
    """Kafka: how to get in. Secrets are in files; a setting says which."""

    kafka_security: str = setting(
        "PLAINTEXT", choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "Kafka's security protocol"
    )
    kafka_ca_file: Path | None = setting(  # noqa: RUF009
        "", file(), "TLS: PEM file with the brokers' CAs, where this machine does not trust them anyway"
    )
    kafka_cert_file: Path | None = setting(  # noqa: RUF009
        "", file(), "TLS: PEM file with our certificate and those above it, for brokers that ask for one"
    )
    kafka_key_file: Path | None = setting(  # noqa: RUF009
        "", file(), "TLS: PEM file with its private key; empty: it is in the certificate's file"
    )
    kafka_key_password_file: Path | None = setting(  # noqa: RUF009
        "", file(), "TLS: file with that key's pass phrase"
    )
    kafka_sasl_mechanism: str = setting(
        "PLAIN", choice(*PASSWORDS, BEARER, MSK_IAM), "SASL: how we prove who we are"
    )
    kafka_user: str = setting("", matching(r"[^\s]*", "a user name"), "PLAIN and SCRAM: the user")
    kafka_password_file: Path | None = setting(  # noqa: RUF009
        "", file(), "PLAIN and SCRAM: file with the password"
    )
    kafka_token_file: Path | None = setting(  # noqa: RUF009
        "", file(), "OAUTHBEARER: file with the bearer token, read for each connection"
    )
    kafka_token_provider: str = setting(
        "",
        matching(r"([A-Za-z_][\w.]*:[A-Za-z_]\w*)?", "package.module:function"),
        "OAUTHBEARER: Python function that returns a bearer token, instead of the file",
    )

    @property
    def kafka_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.kafka_security in ("SSL", "SASL_SSL")

    @property
    def kafka_sasl(self) -> str | None:
        """The mechanism, where there is one."""
        return self.kafka_sasl_mechanism if self.kafka_security.startswith("SASL") else None

    def check_kafka_security(self) -> None:
        """What belongs together, and what does not. Raises `SettingError`, which names the setting."""
        if not self.kafka_tls:
            self._refuse(_TLS, "SLUICE_KAFKA_SECURITY is SSL or SASL_SSL")
        if self.kafka_cert_file is None:
            self._refuse(("key_file", "key_password_file"), "SLUICE_KAFKA_CERT_FILE is set")
        if self.kafka_sasl is None and self.kafka_sasl_mechanism != PASSWORDS[0]:
            self._refuse(("sasl_mechanism",), "SLUICE_KAFKA_SECURITY is SASL_SSL or SASL_PLAINTEXT")
        if self.kafka_sasl not in PASSWORDS:
            self._refuse(_PASSWORD, f"SLUICE_KAFKA_SECURITY is SASL_… and the mechanism {_or(PASSWORDS)}")
        if self.kafka_sasl != BEARER:
            self._refuse(_TOKEN, f"SLUICE_KAFKA_SECURITY is SASL_… and the mechanism {BEARER}")
        self._check_needed()

    def _check_needed(self) -> None:
        chosen = f"with SLUICE_KAFKA_SECURITY={self.kafka_security} and the mechanism {self.kafka_sasl}"
        if self.kafka_sasl in PASSWORDS:
            for name in _PASSWORD:
                if not self._text(name):
                    raise SettingError(_variable(name), "", f"set {chosen}")
        if self.kafka_sasl == BEARER and bool(self.kafka_token_file) == bool(self.kafka_token_provider):
            allowed = f"set {chosen}, or SLUICE_KAFKA_TOKEN_PROVIDER, one of the two"
            raise SettingError("SLUICE_KAFKA_TOKEN_FILE", self._text("token_file"), allowed)
        if self.kafka_sasl == MSK_IAM and not self.kafka_tls:
            allowed = f"SASL_SSL with SLUICE_KAFKA_SASL_MECHANISM={MSK_IAM}"
            raise SettingError("SLUICE_KAFKA_SECURITY", self.kafka_security, allowed)

    def _refuse(self, names: Iterable[str], unless: str) -> None:
        for name in names:
            if text := self._text(name):
                raise SettingError(_variable(name), text, f"left out unless {unless}")

    def _text(self, name: str) -> str:
        return str(getattr(self, f"kafka_{name}") or "")


def no_security() -> dict[str, str]:
    """The variables of these settings as they are for a Kafka that is open, such as the embedded one."""
    return {f"SLUICE_{one.name.upper()}": one.metadata["default"] for one in fields(KafkaSecuritySettings)}


def _variable(name: str) -> str:
    return f"SLUICE_KAFKA_{name.upper()}"


def _or(names: Iterable[str]) -> str:
    return " or ".join(names)
