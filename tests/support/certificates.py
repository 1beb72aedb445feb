"""A certificate authority: certificates of a broker, an api or a client, with their keys."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from streams.embedded.config import HOST

EXPIRED = datetime(2024, 2, 29, 12, tzinfo=UTC)


class Authority:
    """Signs certificates; its own is in `file`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(f"the authority of {file.name}")
        own = (
            _unsigned(self._name, self._key)
            .issuer_name(self._name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        file.write_bytes(own.public_bytes(Encoding.PEM))

    def server(self) -> bytes:
        """Key and certificate of a server at `HOST`, in one PEM text."""
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
        key = ec.generate_private_key(ec.SECP256R1())
        unsigned = _unsigned(_named("a server of the tests"), key)
        return _key_text(key) + self._signed(unsigned.add_extension(names, critical=False))

    def client(self, name: str, *, password: str = "", until: datetime | None = None) -> tuple[bytes, bytes]:
        """Certificate and key of a client. `name`: its common name, or its whole subject (RFC 4514);
        `password`: the key's pass phrase; `until`: when it expires."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._signed(_unsigned(_named(name), key, until)), _key_text(key, password)

    def _signed(self, unsigned: x509.CertificateBuilder) -> bytes:
        whose = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            unsigned.issuer_name(self._name)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(whose, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(name if "=" in name else f"CN={name}")


def _unsigned(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime | None = None
) -> x509.CertificateBuilder:
    until, public = until or datetime.now(UTC) + timedelta(days=300), key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=365))
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_text(key: ec.EllipticCurvePrivateKey, password: str = "") -> bytes:
    packed: KeySerializationEncryption = NoEncryption()
    if password:
        packed = BestAvailableEncryption(password.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, packed)
