"""Sample certificates: an authority, the hub's own, and a TLS and a signing certificate for each company.

Everything carries two marks, an organization that says so and an extension, by which production refuses it (P2). Keys
are RSA 2048, unencrypted PEM beside PKCS#12 files with the password ``sample``: they protect nothing but a sandbox.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from smt_ws.parties.certificates import SAMPLE_EXTENSION, SAMPLE_ORGANIZATION

__all__ = ["PKCS12_PASSWORD", "Authority", "KeyPair", "file_stem", "make_sample_certificates", "open_authority"]

#: Of every PKCS#12 file; soapUI and Java want one.
PKCS12_PASSWORD: Final = "sample"  # noqa: S105 — it protects nothing, and says so

_KEY_BITS: Final = 2048
_AUTHORITY_LASTS: Final = timedelta(days=3650)
_CERTIFICATE_LASTS: Final = timedelta(days=730)
#: A machine whose clock is a little behind shall not find a certificate not yet valid.
_BACKDATED: Final = timedelta(hours=1)
_DER_NULL: Final = b"\x05\x00"


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, and the files they are in."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True)
class Authority:
    """The sample authority, in its folder, able to issue."""

    folder: Path
    own: KeyPair
    now: datetime

    def issue(
        self,
        stem: str,
        common_name: str,
        *,
        hosts: Sequence[str] = (),
        server: bool = False,
        lasts: timedelta = _CERTIFICATE_LASTS,
        starts: datetime | None = None,
        duns: str | None = None,
    ) -> KeyPair:
        """Write ``STEM.crt``, ``STEM.key`` and ``STEM.p12``; what is there already is replaced.

        *hosts* are DNS names and IP addresses; *server* allows it to serve TLS as well as to connect; *starts* is the
        first moment of validity (UTC), *duns* a DUNS number for the subject.
        """
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if server else [])]
        begin = starts or self.now - _BACKDATED
        builder = (
            _builder(_name(common_name, duns), self.own.certificate.subject, key, begin, begin + lasts)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(for_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.own.key.public_key()), critical=False
            )
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        pair = KeyPair(builder.sign(self.own.key, SHA256()), key, *_files(self.folder, stem))
        _write_pair(pair)
        bundle = pkcs12.serialize_key_and_certificates(
            stem.encode(), key, pair.certificate, [self.own.certificate],
            BestAvailableEncryption(PKCS12_PASSWORD.encode()),
        )  # fmt: skip
        _write_secret(self.folder / f"{stem}.p12", bundle)
        return pair


def open_authority(folder: Path, *, now: datetime) -> Authority:
    """The sample authority in *folder*; the one that is there (``ca.crt``, ``ca.key``), or a new one.

    *now* is real UTC: certificates are valid from an hour before it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    certificate_file, key_file = _files(folder, "ca")
    if certificate_file.exists() and key_file.exists():
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = load_pem_private_key(key_file.read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return Authority(folder, KeyPair(certificate, key, certificate_file, key_file), now)
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    # A second authority made elsewhere must have another name, or issuer and serial number would name two.
    subject = _name(f"Sample authority {os.urandom(4).hex()}", None)
    certificate = (
        _builder(subject, subject, key, now - _BACKDATED, now + _AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(for_authority=True), critical=True)
        .sign(key, SHA256())
    )
    pair = KeyPair(certificate, key, certificate_file, key_file)
    _write_pair(pair)
    return Authority(folder, pair, now)


def make_sample_certificates(
    folder: Path, companies: Mapping[str, str], *, now: datetime, hosts: Sequence[str] = ("localhost", "127.0.0.1")
) -> dict[str, tuple[KeyPair, KeyPair]]:
    """Write the authority, the hub's certificates, and those of *companies* (name → DUNS number) into *folder*.

    The hub's have the names that the settings look for: ``hub-tls`` (for *hosts*), ``hub-signing``, ``ca.crt``; each
    company's are ``<name>-tls`` (for SOAP and FTPS, and to serve on *hosts*) and ``<name>-signing``, where `file_stem`
    makes the name. Returns (TLS, signing) by company name. The authority and the hub's certificates are kept where
    they are there already.
    """
    authority = open_authority(folder, now=now)
    if not (folder / "hub-tls.crt").exists():
        authority.issue("hub-tls", hosts[0], hosts=hosts, server=True)
    if not (folder / "hub-signing.crt").exists():
        authority.issue("hub-signing", "Sample hub, signing")
    return {
        name: (
            # a company also serves: a TDSP its own service, a requester its callback
            authority.issue(f"{file_stem(name)}-tls", f"{name}, TLS", hosts=hosts, server=True, duns=duns),
            authority.issue(f"{file_stem(name)}-signing", f"{name}, signing", duns=duns),
        )
        for name, duns in companies.items()
    }


def file_stem(company_name: str) -> str:
    """The beginning of a company's file names: ``Pecan Energy, Inc.`` → ``pecan-energy-inc``."""
    return re.sub(r"[^a-z0-9]+", "-", company_name.lower()).strip("-") or "company"


def _name(common_name: str, duns: str | None) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, SAMPLE_ORGANIZATION),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]),
    ]
    if duns:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"DUNS {duns}"))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.UnrecognizedExtension(SAMPLE_EXTENSION, _DER_NULL), critical=False)
    )


def _key_usage(*, for_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not for_authority,
        content_commitment=False,
        key_encipherment=not for_authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=for_authority,
        crl_sign=for_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _files(folder: Path, stem: str) -> tuple[Path, Path]:
    return folder / f"{stem}.crt", folder / f"{stem}.key"


def _write_pair(pair: KeyPair) -> None:
    pair.certificate_file.write_bytes(pair.certificate.public_bytes(Encoding.PEM))
    _write_secret(pair.key_file, pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _write_secret(file: Path, content: bytes) -> None:
    # Readable by nobody else from its first moment on, even where a wider file was there before.
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as secret:
        secret.write(content)
