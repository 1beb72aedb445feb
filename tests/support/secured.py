"""A Kafka that is secured: listeners for every way to get in, besides the open one; and an authorizer.

Who comes in by the open listener, or as `USER`, may do anything; of all others an access list says what.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streams.embedded.broker import LOG_CONFIG, EmbeddedKafka
from streams.embedded.config import HOST, free_port
from tests.support.certificates import Authority
from tests.support.signed_tokens import SigningKey, key_set

USER, PASSWORD = "tester", "tester-password"
AUDIENCE, ISSUER = "kafka-of-the-tests", "https://issuer.test"
LISTENERS = {"SSL": "SSL", "MTLS": "SSL", "SASL_PLAINTEXT": "SASL_PLAINTEXT", "SASL_SSL": "SASL_SSL"}
"""And their security protocols."""
SESSION_MS = 3000
"""How long a client is in that came by SCRAM-SHA-256; one that came by a token until that expires."""
SCRAMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
PROPERTIES = """
listeners={listeners}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}
ssl.keystore.type=PEM
ssl.keystore.location={certificate}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.mtls.ssl.client.auth=required
listener.name.sasl_ssl.scram-sha-256.connections.max.reauth.ms={session_ms}
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN
sasl.oauthbearer.jwks.endpoint.url={jwks}
sasl.oauthbearer.expected.audience={audience}
sasl.oauthbearer.expected.issuer={issuer}
sasl.oauthbearer.clock.skew.seconds=0
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS;User:{user};User:CN={user}
"""
SECURITY = "org.apache.kafka.common.security"
LOGIN = """
{0}.plain.sasl.jaas.config={security}.plain.PlainLoginModule required user_{user}="{password}";
{0}.scram-sha-256.sasl.jaas.config={security}.scram.ScramLoginModule required;
{0}.scram-sha-512.sasl.jaas.config={security}.scram.ScramLoginModule required;
{0}.oauthbearer.sasl.jaas.config={security}.oauthbearer.OAuthBearerLoginModule required;
{0}.oauthbearer.sasl.server.callback.handler.class={security}.oauthbearer.OAuthBearerValidatorCallbackHandler
"""


DECISIONS = """
logger.authorizer.name = kafka.authorizer.logger
logger.authorizer.level = debug
"""
"""Has the authorizer log what it allows, and by which entry."""


class SecuredKafka(EmbeddedKafka):
    """`servers`: the address of each listener; `authority`: who signs certificates; `signer`: and tokens.

    `users`, beside `USER`: their passwords, for SCRAM. `secrets`: files that nothing of may be printed.
    """

    def __init__(self, folder: Path, users: Mapping[str, str] | None = None) -> None:
        super().__init__(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.servers: dict[str, str] = {}
        self.authority = Authority(self.folder / "ca.pem")
        self.signer = SigningKey("tests", "RS256")
        self.secrets: set[str] = set()
        self._users = {USER: PASSWORD, **(users or {})}

    @property
    def ca_file(self) -> Path:
        """Who signed for the brokers."""
        return self.authority.file

    def token(self, user: str, signer: SigningKey | None = None, **claims: Any) -> str:
        """A bearer token of a user. `signer`: another one than the broker's."""
        now = int(time.time())
        usual = {"sub": user, "aud": AUDIENCE, "iss": ISSUER, "iat": now, "exp": now + 300}
        return (signer or self.signer).token(**{**usual, **claims})

    def entrance(self, listener: str, **changes: str) -> dict[str, str]:
        """Settings by which `USER` gets in at a listener. `changes`: other values of settings, by their names
        without `kafka_`, files by their names in `folder`; an empty one is left out."""
        found = {"security": LISTENERS.get(listener, "PLAINTEXT"), **changes}
        if "SSL" in found["security"]:
            found.setdefault("ca_file", self.ca_file.name)
        if listener == "MTLS":
            found.setdefault("cert_file", self.certificate_file(USER))
        if "SASL" in found["security"] and "token_file" not in found:
            found.setdefault("user", USER)
            found.setdefault("password_file", self.file("password", PASSWORD))
        for name, value in found.items():
            if name.endswith("_file") and value:
                found[name] = str(self.folder / value)
        chosen = {f"kafka_{name}": value for name, value in found.items() if value}
        return {"kafka": self.servers[listener], **chosen}

    def certificate_file(self, user: str, **options: Any) -> str:
        """The name of a file with a certificate of a user, and its key."""
        certificate, key = self.authority.client(user, **options)
        return self.file(f"{user}.pem", certificate + key)

    def file(self, name: str, text: str | bytes) -> str:
        """The name of a file of this text; who reads it meanwhile has this or what was there before."""
        made, path = self.folder / f"{name}.new", self.folder / name
        made.write_bytes(text if isinstance(text, bytes) else text.encode())
        made.rename(path)
        self.secrets.add(name)
        return name

    @property
    def _jwks(self) -> Path:
        return self.folder / "jwks.json"

    def _configure(self) -> None:
        super()._configure()
        certificate = self.folder / "broker.pem"
        certificate.write_bytes(self.authority.server())
        self._jwks.write_text(key_set(self.signer))
        self.servers = {"PLAINTEXT": self.bootstrap}
        taken = self._properties_file.read_text(encoding="utf-8")
        for name in LISTENERS:
            while str(port := free_port()) in taken:
                pass
            taken += f" {port}"
            self.servers[name] = f"{HOST}:{port}"
        (open_ones,) = [line for line in taken.splitlines() if line.startswith("listeners=")]
        more = PROPERTIES.format(
            listeners=",".join([open_ones.removeprefix("listeners="),
                                *(f"{name}://{self.servers[name]}" for name in LISTENERS)]),
            protocols=",".join(f"{name}:{protocol}" for name, protocol in LISTENERS.items()),
            certificate=certificate, ca=self.ca_file, jwks=self._jwks.as_uri(),
            audience=AUDIENCE, issuer=ISSUER, user=USER, session_ms=SESSION_MS,
        )  # fmt: skip
        for name in LISTENERS:
            if name.startswith("SASL"):
                more += LOGIN.format(
                    f"listener.name.{name.lower()}", security=SECURITY, user=USER, password=PASSWORD
                )
        with self._properties_file.open("a", encoding="utf-8") as file:
            file.write(more)  # of a key that is there twice Java takes the last

    def _format_command(self, java: str) -> list[str]:
        added = [
            f"--add-scram={mechanism}=[name={user},password={password}]"
            for user, password in self._users.items()
            for mechanism in SCRAMS
        ]
        return [*super()._format_command(java), *added]

    def _java(self, java: str, main_class: str) -> list[str]:
        *options, option, jars, main_class = super()._java(java, main_class)
        log_config = self.folder / "log4j2.properties"
        log_config.write_text(LOG_CONFIG.read_text(encoding="utf-8") + DECISIONS, encoding="utf-8")
        added = [
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._jwks.as_uri()}",
            f"-Dlog4j2.configurationFile={log_config}",  # of one that is there twice Java takes the last
        ]
        return [*options, *added, option, jars, main_class]


def environ_of(settings: dict[str, str]) -> dict[str, str]:
    """The variables of settings."""
    return {f"SLUICE_{name.upper()}": value for name, value in settings.items()}


def no_secret_in(broker: SecuredKafka, output: str) -> bool:
    """Whether none of the secrets in the broker's folder is in a text, nor a token's signature."""
    found = [(broker.folder / name).read_text().strip() for name in broker.secrets]
    return not any(secret and secret.rpartition(".")[2] in output for secret in found)
