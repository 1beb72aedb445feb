"""A Kafka that is secured: listeners with TLS, with SASL (PLAIN) and with both, besides the open one."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from streams.embedded.broker import EmbeddedKafka
from streams.embedded.config import HOST, free_port

USER, PASSWORD = "tester", "tester-password"
LISTENERS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")
"""Named as their security protocols."""
PROPERTIES = """
listeners={listeners}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}
ssl.keystore.type=PEM
ssl.keystore.location={certificate}
sasl.enabled.mechanisms=PLAIN
{logins}
"""
LOGIN = (
    "listener.name.{listener}.plain.sasl.jaas.config="
    'org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";'
)


class SecuredKafka(EmbeddedKafka):
    """`servers`: the address of each listener, by its security protocol; `ca_file`: who signed for them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.servers: dict[str, str] = {}
        self.ca_file = self.folder / "ca.pem"

    def _configure(self) -> None:
        super()._configure()
        certificate = self.folder / "broker.pem"
        certificate.write_bytes(signed_by_itself(self.ca_file))
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
            protocols=",".join(f"{name}:{name}" for name in LISTENERS),
            certificate=certificate,
            logins="\n".join(LOGIN.format(listener=name.lower(), user=USER, password=PASSWORD)
                             for name in LISTENERS if name.startswith("SASL")),
        )  # fmt: skip
        with self._properties_file.open("a", encoding="utf-8") as file:
            file.write(more)  # of a key that is there twice Java takes the last


def signed_by_itself(ca_file: Path) -> bytes:
    """Key and certificate of a broker at `HOST` in one PEM text; the certificate is in `ca_file`, too."""
    key = ec.generate_private_key(ec.SECP256R1())
    host = x509.IPAddress(ipaddress.ip_address(HOST))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a broker of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    text = certificate.public_bytes(Encoding.PEM)
    ca_file.write_bytes(text)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + text
