"""What settings of Kafka's security go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.setting_groups.kafka_security import no_security
from streams.settings import SettingError, Settings

TLS = {"SECURITY": "SSL"}
PLAIN = {"SECURITY": "SASL_SSL", "USER": "ana", "PASSWORD_FILE": "secret"}
SCRAM = {**PLAIN, "SASL_MECHANISM": "SCRAM-SHA-512"}
BEARER = {"SECURITY": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER", "TOKEN_FILE": "secret"}
PROVIDED = {"SECURITY": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER", "TOKEN_PROVIDER": "acme.tokens:kafka"}
MSK = {"SECURITY": "SASL_SSL", "SASL_MECHANISM": "AWS_MSK_IAM"}
OURS = {"CERT_FILE": "secret", "KEY_FILE": "secret", "KEY_PASSWORD_FILE": "secret"}
TOGETHER = [
    {}, TLS, {**TLS, "CA_FILE": "secret"}, {**TLS, **OURS}, {**TLS, "CERT_FILE": "secret"},
    PLAIN, {**PLAIN, **OURS}, {**PLAIN, "SECURITY": "SASL_PLAINTEXT"}, SCRAM, BEARER, PROVIDED, MSK,
]  # fmt: skip
WITH_TLS = "left out unless SLUICE_KAFKA_SECURITY is SSL or SASL_SSL"
WITH_CERTIFICATE = "left out unless SLUICE_KAFKA_CERT_FILE is set"
WITH_PASSWORD = "and the mechanism PLAIN or SCRAM-SHA-256 or SCRAM-SHA-512"
WITH_TOKEN = "and the mechanism OAUTHBEARER"
NOT_TOGETHER = [
    ({"CA_FILE": "secret"}, "CA_FILE", WITH_TLS),
    ({"CERT_FILE": "secret"}, "CERT_FILE", WITH_TLS),
    ({"SECURITY": "SASL_PLAINTEXT", "CA_FILE": "secret"}, "CA_FILE", WITH_TLS),
    ({**TLS, "KEY_FILE": "secret"}, "KEY_FILE", WITH_CERTIFICATE),
    ({**TLS, "KEY_PASSWORD_FILE": "secret"}, "KEY_PASSWORD_FILE", WITH_CERTIFICATE),
    ({"SASL_MECHANISM": "SCRAM-SHA-256"}, "SASL_MECHANISM", "SASL_SSL or SASL_PLAINTEXT"),
    ({**TLS, "SASL_MECHANISM": "AWS_MSK_IAM"}, "SASL_MECHANISM", "SASL_SSL or SASL_PLAINTEXT"),
    ({"USER": "ana"}, "USER", WITH_PASSWORD),
    ({**TLS, "PASSWORD_FILE": "secret"}, "PASSWORD_FILE", WITH_PASSWORD),
    ({**BEARER, "USER": "ana"}, "USER", WITH_PASSWORD),
    ({**MSK, "PASSWORD_FILE": "secret"}, "PASSWORD_FILE", WITH_PASSWORD),
    ({"TOKEN_FILE": "secret"}, "TOKEN_FILE", WITH_TOKEN),
    ({**SCRAM, "TOKEN_FILE": "secret"}, "TOKEN_FILE", WITH_TOKEN),
    ({**MSK, "TOKEN_PROVIDER": "a:b"}, "TOKEN_PROVIDER", WITH_TOKEN),
    ({**PLAIN, "USER": ""}, "USER", "set with SLUICE_KAFKA_SECURITY=SASL_SSL and the mechanism PLAIN"),
    ({**SCRAM, "PASSWORD_FILE": ""}, "PASSWORD_FILE", "and the mechanism SCRAM-SHA-512"),
    ({**BEARER, "TOKEN_FILE": ""}, "TOKEN_FILE", "or SLUICE_KAFKA_TOKEN_PROVIDER, one of the two"),
    ({**BEARER, **PROVIDED}, "TOKEN_FILE", "or SLUICE_KAFKA_TOKEN_PROVIDER, one of the two"),
    ({**MSK, "SECURITY": "SASL_PLAINTEXT"}, "SECURITY", "SASL_SSL with SLUICE_KAFKA_SASL_MECHANISM"),
    ({**PROVIDED, "TOKEN_PROVIDER": "acme.tokens"}, "TOKEN_PROVIDER", "package.module:function"),
    ({**PLAIN, "PASSWORD_FILE": "gone"}, "PASSWORD_FILE", "a file that exists"),
    ({**PLAIN, "SASL_MECHANISM": "GSSAPI"}, "SASL_MECHANISM", "PLAIN or SCRAM-SHA-256 or"),
]


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("no-one-may-see-this")
    monkeypatch.chdir(tmp_path)


def environ(settings: dict[str, str]) -> dict[str, str]:
    return {f"SLUICE_KAFKA_{name}": value for name, value in settings.items()}


@pytest.mark.parametrize("settings", TOGETHER)
def test_what_goes_together_is_taken(in_folder: None, settings: dict[str, str]) -> None:
    assert "no-one-may-see-this" not in repr(Settings.load(environ(settings)))


@pytest.mark.parametrize(("settings", "variable", "said"), NOT_TOGETHER)
def test_what_does_not_is_named(in_folder: None, settings: dict[str, str], variable: str, said: str) -> None:
    with pytest.raises(SettingError) as raised:
        Settings.load(environ(settings))
    assert raised.value.variable == f"SLUICE_KAFKA_{variable}"
    assert said in str(raised.value)
    assert "no-one-may-see-this" not in str(raised.value)


@pytest.mark.parametrize("settings", TOGETHER)
def test_an_open_kafka_needs_none_of_them(in_folder: None, settings: dict[str, str]) -> None:
    assert Settings.load({**environ(settings), **no_security()}) == Settings.load({})
