"""An FTPS site on loopback with a sample authority, two requesters and a TDSP, for tests here and in interop."""

import datetime
import ftplib
import hashlib
import hmac
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from strict_certificates import strictly_valid

from adapters.ftps import Account, FtpsSettings, FtpsSite

REQUESTER, OTHER, TDSP = "1039940674000", "0799530915", "1039940674002"
PASSWORD = "right horse battery"


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass
class Pem:
    """Paths of a certificate and its key, and the certificate's SHA-256."""

    certificate: Path
    key: Path
    sha256: str


class Authority:
    def __init__(self, folder: Path, common: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = name(common)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._now = datetime.datetime.now(datetime.UTC)
        made = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        made = strictly_valid(made, self._key.public_key(), self._key, ca=True)
        self._certificate = made.sign(self._key, hashes.SHA256())
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ended: bool = False
    ) -> x509.CertificateBuilder:
        day = datetime.timedelta(days=1)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - 3 * day)
            .not_valid_after(self._now + (-day if ended else 30 * day))
        )

    def issue(self, common: str, *, server: bool = False, ended: bool = False) -> Pem:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._builder(name(common), key, ended).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        if server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = strictly_valid(builder, key.public_key(), self._key, ca=False)
        made = builder.sign(self._key, hashes.SHA256())
        pem = Pem(
            self._folder / f"{common}.crt", self._folder / f"{common}.key", made.fingerprint(hashes.SHA256()).hex()
        )
        pem.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        pem.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pem

    def crl(self, path: Path, *revoked: Pem, ends: datetime.timedelta = datetime.timedelta(days=1)) -> Path:
        """Write a list of *revoked* that ends so long after now."""
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(now - datetime.timedelta(days=2)).next_update(now + ends)
        for pem in revoked:
            serial = x509.load_pem_x509_certificate(pem.certificate.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(entry)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return fresh.replace(path)


def verifier(password: str):
    stored = hashlib.sha256(password.encode()).digest()
    return lambda presented: hmac.compare_digest(stored, hashlib.sha256(presented.encode()).digest())


@dataclass
class Sandbox:
    folder: Path
    site: FtpsSite
    authority: Authority
    server: Pem
    pems: dict[str, Pem]
    accounts: dict[str, Account] = field(default_factory=dict)

    def home(self, user: str) -> Path:
        return self.accounts[user].home

    def tls(self, pem: Pem | None, *, tls12: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if tls12:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if pem:
            context.load_cert_chain(pem.certificate, pem.key)
        return context

    def connect(self, pem: Pem | None, *, tls12: bool = False) -> ftplib.FTP_TLS:
        client = ftplib.FTP_TLS(context=self.tls(pem, tls12=tls12), timeout=180)
        try:
            client.connect(*self.site.address)
        except ftplib.Error:
            client.close()
            raise
        return client

    @contextmanager
    def login(self, user: str, *, tls12: bool = False) -> Iterator[ftplib.FTP_TLS]:
        client = self.connect(self.pems[user], tls12=tls12)
        try:
            client.login(user, PASSWORD)
            client.prot_p()
            yield client
        finally:
            client.close()


@contextmanager
def running(folder: Path, **changes: object) -> Iterator[Sandbox]:
    authority = Authority(folder / "pki", "Sample CA")
    if isinstance(lists := changes.get("crl_file"), Path):
        authority.crl(lists)
    server = authority.issue("localhost", server=True)
    pems = {user: authority.issue(user) for user in (REQUESTER, OTHER, TDSP)}
    accounts = {}
    for user, pem in pems.items():
        home = folder / "homes" / user
        home.mkdir(parents=True)
        kind = "tdsp" if user == TDSP else "requester"
        accounts[user] = Account(home, kind, frozenset({pem.sha256}), verifier(PASSWORD), lambda *_: True)
    settings = FtpsSettings(
        host="127.0.0.1",
        port=0,
        certificate_file=server.certificate,
        key_file=server.key,
        client_ca_file=authority.file,
        failed_login_delay=0.05,
        alertless_pause=1,
    )
    site = FtpsSite(replace(settings, **changes), accounts.get)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    try:
        yield Sandbox(folder, site, authority, server, pems, accounts)
    finally:
        site.close()
        thread.join(180)
        assert not thread.is_alive()
