"""A certificate authority and identities that live as long as a test run."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from strict_certificates import strictly_valid


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass
class Authority:
    """A CA that lives as long as a test run."""

    name: str
    folder: Path

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = self._sign(self.name, self.key.public_key(), ca=True)
        self.path = self.folder / f"{self.name}.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, common: str, public: rsa.RSAPublicKey, *, ca: bool = False) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        san = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common))
            .issuer_name(_name(self.name))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(san, critical=False)
        )
        return strictly_valid(builder, public, self.key, ca=ca).sign(self.key, hashes.SHA256())

    def issue(self, common: str) -> Identity:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        certificate = self._sign(common, key.public_key())
        path, key_path = self.folder / f"{common}.pem", self.folder / f"{common}.key"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return Identity(key, certificate, path, key_path)

    def crl(self, path: Path, *revoked: x509.Certificate, ends: dt.timedelta = dt.timedelta(days=1)) -> None:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_name(self.name))
            .last_update(now - dt.timedelta(days=2))
            .next_update(now + ends)
        )
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        fresh = path.with_suffix(".new")
        fresh.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        fresh.replace(path)


@dataclass
class Identity:
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    path: Path
    key_path: Path
