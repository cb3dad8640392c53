"""A hub of settings, store and certificate files, without processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.openpgp import make_key
from smt_ws.clock import FixedClock
from smt_ws.han.secrets import new_key
from smt_ws.hub import Hub
from smt_ws.settings import Settings
from smt_ws.store.engine import Store

_KEY = ec.generate_private_key(ec.SECP256R1())


def _certificate(name: str, *, days: float) -> x509.Certificate:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .sign(_KEY, SHA256())
    )


def _list(*, days: float) -> bytes:
    now = datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer)
        .last_update(now - timedelta(days=100))
        .next_update(now + timedelta(days=days))
        .sign(_KEY, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


@pytest.fixture
def write_certificates(tmp_path: Path) -> Callable[..., None]:
    """Write the hub's certificates, each ending in so many days; two authorities share a file."""

    def write(
        tls: float = 400, signing: float = 400, authorities: tuple[float, ...] = (400, 4000), crl: float = 6
    ) -> None:
        folder = tmp_path / "certs"
        folder.mkdir(exist_ok=True)
        for name, days in (("hub-tls", tls), ("hub-signing", signing)):
            (folder / f"{name}.crt").write_bytes(_certificate(name, days=days).public_bytes(Encoding.PEM))
        (folder / "ca.crt").write_bytes(
            b"".join(_certificate("authority", days=days).public_bytes(Encoding.PEM) for days in authorities)
        )
        (folder / "ca.crl").write_bytes(_list(days=crl))
        for name in ("hub-tls.key", "hub-signing.key"):
            (folder / name).write_bytes(_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        for name in ("portal-secret", "green-button-secret"):
            (folder / name).write_text("0" * 64)
        (folder / "install-code-keys").write_text(new_key())
        (folder / "hub-openpgp-secret.asc").write_text(make_key("Hub <files@hub.example>")[0])

    return write


@pytest.fixture
def hub_of(tmp_path: Path, write_certificates: Callable[..., None], clock: FixedClock) -> Iterator[Callable[..., Hub]]:
    """Make a hub over a database; *health* are settings of that section."""

    stores: list[Store] = []

    def make(url: str, *, tls: dict[str, Any] | None = None, **health: Any) -> Hub:
        folder = tmp_path / "certs"
        if not folder.exists():
            write_certificates()
        settings = Settings.model_validate(
            {
                "database": url,
                "work_folder": tmp_path / "work",
                "ftps": {"root": tmp_path / "ftps"},
                "intake": {"archive": tmp_path / "archive"},
                "tls": {
                    "certificate": folder / "hub-tls.crt",
                    "signing_certificate": folder / "hub-signing.crt",
                    "client_authorities": folder / "ca.crt",
                    "key": folder / "hub-tls.key",
                    "signing_key": folder / "hub-signing.key",
                    **(tls or {}),
                },
                "portal": {"secret": folder / "portal-secret"},
                "openpgp": {"secret_key": folder / "hub-openpgp-secret.asc"},
                "green_button": {"namespace_secret": folder / "green-button-secret"},
                "han": {"install_code_keys": folder / "install-code-keys"},
                "health": {"port": 0, **health},
            }
        )
        stores.append(Store(url))
        return Hub(settings=settings, store=stores[-1], clock=clock)

    yield make
    for store in stores:
        store.close()
