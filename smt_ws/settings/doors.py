"""Where the hub is reached: its servers' addresses, certificates and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from adapters.upload_names import TEMPORARY_NAMES
from smt_ws.settings import ports
from smt_ws.settings.section import Location, Section, SettingsError

__all__ = ["Ftps", "Health", "Portal", "Soap", "Tls"]


class Soap(Section):
    """The SOAP endpoint."""

    host: str = "127.0.0.1"
    port: int = Field(ports.SOAP, ge=0, le=65535)
    base_url: str | None = Field(None, description="the public address written into WSDLs; default https://host:port")
    also_at: tuple[str, ...] = Field(
        (), description="further addresses like base_url under which callers reach the services (a signed wsa:To)"
    )
    workers: int = Field(2, ge=1, le=64, description="processes; one a core")
    threads: int = Field(8, ge=2, le=256, description="threads a process; well above the idle connections expected")
    queue_seconds: float = Field(
        2, gt=0, description="how long a request may wait for a thread in a burst; else HUB_BUSY, HTTP 503"
    )
    bytes_in_hand: int = Field(
        16_000_000, ge=1_000_000, description="of long messages a process handles at once; else HUB_BUSY"
    )
    proxy_socket: Path | None = Field(None, description="unix socket behind a TLS proxy, instead of host and port")


class Tls(Section):
    """The hub's own certificates and the authorities whose client certificates it looks at."""

    certificate: Location = Path("certs/hub-tls.crt")
    key: Location = Path("certs/hub-tls.key")
    client_authorities: Location = Path("certs/ca.crt")
    crl: Location | None = Field(
        None, description="revocation lists (PEM), one of each client authority; read anew when the file changes"
    )
    when_crl_expired: Literal["refuse", "serve"] = Field(
        "refuse",
        description="a list past its nextUpdate refuses every client of its authority, or (serve) those it names alone",
    )
    signing_certificate: Location = Path("certs/hub-signing.crt")
    signing_key: Location = Path("certs/hub-signing.key")


class Portal(Section):
    """The pages for customers: the invitations' Accept and Reject, accounts, agreements."""

    host: str = "127.0.0.1"
    port: int = Field(ports.PORTAL, ge=0, le=65535)
    base_url: str | None = Field(
        None, description="the public address that e-mails link to, without a path; default https://host:port"
    )
    faq_url: str | None = Field(
        None, pattern="^https://", description="your questions and answers, linked to instead of the sample page /faq"
    )
    terms_url: str | None = Field(
        None, pattern="^https://", description="your terms of use, linked to instead of the sample page /terms"
    )
    workers: int = Field(1, ge=1, le=64, description="processes")
    threads: int = Field(
        64, ge=2, le=256, description="threads a process; standing alone, each slow client holds one for up to 30 s"
    )
    proxy_socket: Path | None = Field(None, description="unix socket behind a TLS proxy, instead of host and port")
    secret: Location = Field(
        Path("certs/portal-secret"),
        description="file with at least 32 random bytes, such as 64 hex digits: seals forms; the same on every machine",
    )

    @property
    def url(self) -> str:
        """What every link in an e-mail begins with."""
        return (self.base_url or f"https://{self.host}:{self.port}").rstrip("/")

    def page_of(self, name: Literal["faq", "terms"], language: str) -> str:
        """Where the page *name* is: the operator's own, or the hub's sample in *language*."""
        own = self.faq_url if name == "faq" else self.terms_url
        return own or f"{self.url}/{name}?lang={language}"

    def read_secret(self) -> bytes:
        """What seals forms against forgery. Raises `SettingsError` where there is none, or it is short."""
        try:
            secret = self.secret.read_bytes().strip()
        except OSError as error:
            raise SettingsError(
                f"portal.secret: {error.strerror}. Make one with `openssl rand -hex 32` and keep it"
            ) from error
        if len(secret) < 32:
            raise SettingsError(f"portal.secret: {self.secret} holds {len(secret)} bytes; it needs at least 32")
        return secret


class Ftps(Section):
    """The FTPS site."""

    host: str = "127.0.0.1"
    port: int = Field(ports.FTPS, ge=0, le=65535)
    passive_ports: tuple[int, int] | None = None
    masquerade_address: str | None = Field(None, description="the address told to clients behind NAT")
    root: Location = Path("ftps")
    inbox_files: int = Field(10_000, ge=1, description="a TDSP's inbox holds so many; a further upload is refused, 552")
    inbox_bytes: int = Field(50 * 1024**3, ge=1, description="a TDSP's inbox holds so many; as above")
    temporary_names: tuple[str, ...] = Field(
        TEMPORARY_NAMES, description="patterns of names that clients upload under and then rename; the intake waits"
    )
    unconfirmed_upload: Literal["report", "refuse"] = Field(
        "report",
        description="an upload that ended with neither TLS's closing alert nor the size announced (ALLO) may be cut: "
        "take it and say so in its activity report, or refuse it (426)",
    )


class Health(Section):
    """Where the hub tells how it is, and from when on that is worth a warning."""

    host: str = Field("127.0.0.1", description="no client certificate is asked for: not an address of the world")
    port: int = Field(ports.HEALTH, ge=0, le=65535)
    disk_free_bytes: int = Field(
        1_000_000_000, ge=0, description="free space below which new orders are refused, before writes fail"
    )
    queue_minutes: float = Field(30, gt=0, description="how long a part that could be built may wait for a worker")
    outbox_minutes: float = Field(30, gt=0, description="how long a mail or call that is due may wait")
    dead_letters: int = Field(0, ge=0, description="mails and calls given up that are no cause for a warning")
    clock_seconds: float = Field(120, gt=0, description="how long the scheduler may give no sign of life")
    certificate_days: int = Field(30, ge=1, description="days before one of the hub's certificates ends")
