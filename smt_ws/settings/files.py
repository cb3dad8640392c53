"""The files that the settings name: whether each can be used, and what makes it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Final

from smt_ws.settings.section import SettingsError

if TYPE_CHECKING:
    from smt_ws.settings import Settings

__all__ = ["ROLES", "UnusableFile", "require_files", "unusable_files"]

#: The processes of a hub, by the command that runs each alone.
ROLES: Final = frozenset({"soap", "ftps", "portal", "work", "intake", "schedule"})

#: What makes every secret that is not there yet.
_MAKE_SECRETS: Final = "smt-ws make-secrets"


@dataclass(frozen=True, slots=True)
class UnusableFile:
    """A file that a setting names and that the hub cannot use, with what makes a good one."""

    setting: str
    path: Path
    #: What is wrong with it, such as "No such file or directory".
    wrong: str
    #: A command; of a certificate, the one that makes the request for it.
    command: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.path}: {self.wrong}. {self.command}"


@dataclass(frozen=True, slots=True)
class _Named:
    roles: frozenset[str]
    wrong: Callable[[bytes], str | None]
    command: Callable[[Settings, Path], str]
    #: Whether the setting may be left out.
    optional: bool = False


def _pem(label: bytes, name: str) -> Callable[[bytes], str | None]:
    def wrong(content: bytes) -> str | None:
        return None if b"-----BEGIN " + label + b"-----" in content else f"holds no {name} (PEM)"

    return wrong


def _private_key(content: bytes) -> str | None:
    if b"ENCRYPTED" in content:
        return "has a pass phrase, which no process could type"
    return None if b"PRIVATE KEY-----" in content else "holds no private key (PEM)"


def _openpgp(content: bytes) -> str | None:
    armour = b"-----BEGIN PGP PRIVATE KEY BLOCK-----"
    return None if armour in content else "holds no armoured OpenPGP secret key"


def _long(least: int) -> Callable[[bytes], str | None]:
    def wrong(content: bytes) -> str | None:
        length = len(content.strip())
        return None if length >= least else f"holds {length} bytes; it needs at least {least}"

    return wrong


def _install_code_keys(content: bytes) -> str | None:
    try:
        lengths = {len(base64.urlsafe_b64decode(line)) for line in content.split()}
    except ValueError:
        lengths = set()
    return None if lengths == {32} else "holds no usable key, or a line that is none"


def _secret(_settings: Settings, _path: Path) -> str:
    return f"Make it: {_MAKE_SECRETS}"


def _tls_request(settings: Settings, path: Path) -> str:
    return _request(settings.tls.key, path)


def _signing_request(settings: Settings, path: Path) -> str:
    return _request(settings.tls.signing_key, path)


def _request(key: Path, path: Path) -> str:
    request = path.with_suffix(".csr")
    return (
        "Make a request for it and have your authority sign it: "
        f"openssl req -new -key {quote(str(key))} -subj /CN=HOST -out {quote(str(request))}"
    )


def _rsa_key(_settings: Settings, path: Path) -> str:
    return f"Make it: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out {quote(str(path))}"


def _authorities(_settings: Settings, path: Path) -> str:
    return f"Put the authorities' own certificates into it: cat AUTHORITY.crt … > {quote(str(path))}"


def _lists(_settings: Settings, path: Path) -> str:
    return f"Put a list of each authority into it: openssl crl -inform DER -in LIST.crl >> {quote(str(path))}"


_TLS: Final = frozenset({"soap", "ftps", "portal", "work"})
_certificate: Final = _pem(b"CERTIFICATE", "certificate")
_NAMED: Final = {
    "tls.certificate": _Named(_TLS, _certificate, _tls_request),
    "tls.key": _Named(_TLS, _private_key, _rsa_key),
    "tls.client_authorities": _Named(_TLS, _certificate, _authorities),
    "tls.crl": _Named(_TLS, _pem(b"X509 CRL", "revocation list"), _lists, optional=True),
    "tls.signing_certificate": _Named(_TLS, _certificate, _signing_request),
    "tls.signing_key": _Named(_TLS, _private_key, _rsa_key),
    "portal.secret": _Named(frozenset({"portal"}), _long(32), _secret),
    "openpgp.secret_key": _Named(frozenset({"intake"}), _openpgp, _secret),
    "green_button.namespace_secret": _Named(frozenset({"soap", "work"}), _long(16), _secret),
    "han.install_code_keys": _Named(frozenset({"soap", "work"}), _install_code_keys, _secret),
    "callbacks.authorities": _Named(frozenset({"work"}), _certificate, _authorities, optional=True),
}


def unusable_files(settings: Settings, roles: frozenset[str] = ROLES) -> Iterator[UnusableFile]:
    """Yield the files that processes of *roles* need and cannot use, in the order of the settings."""
    for setting, named in _NAMED.items():
        section, _, key = setting.partition(".")
        path: Path | None = getattr(getattr(settings, section), key)
        if not named.roles & roles or (path is None and named.optional):
            continue
        assert path is not None
        try:
            wrong = named.wrong(path.read_bytes())
        except OSError as error:
            wrong = error.strerror or type(error).__name__
        if wrong:
            yield UnusableFile(setting, path, wrong, named.command(settings, path))


def require_files(settings: Settings, *roles: str) -> None:
    """Raise `SettingsError` that tells every file processes of *roles* cannot use, and what makes each."""
    found = list(unusable_files(settings, frozenset(roles)))
    if found:
        raise SettingsError("these files cannot be used:\n" + "\n".join(f"  {one}" for one in found))
