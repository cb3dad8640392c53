"""What the hub's processes take in, build and send, with how much patience."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from smt_ws.settings.section import Location, Section, SettingsError

__all__ = ["Callbacks", "GreenButton", "Intake", "Mail", "OpenPgp", "Outbox", "Work"]


class OpenPgp(Section):
    """The hub's own OpenPGP key, to which TDSPs encrypt what they send (U2). Publish its public half to them."""

    secret_key: Location = Field(
        Path("certs/hub-openpgp-secret.asc"), description="armoured, without a pass phrase, readable by the hub alone"
    )
    largest_plain: int = Field(2 * 1024**3, ge=1, description="bytes of a decrypted file; a message may expand")


class Intake(Section):
    """What becomes of the files that TDSPs leave in their inboxes."""

    processes: int = Field(
        1,
        ge=1,
        le=16,
        description="each opens files of several TDSPs side by side and loads one at a time; "
        "files of one TDSP come one after the other",
    )
    archive: Location = Field(Path("archive"), description="every file as it came and its report; not on the FTPS site")
    poll_seconds: float = Field(0.5, gt=0)
    settle_seconds: float = Field(
        1, ge=0, description="a file last written to within this time is left alone: it may still be growing"
    )
    temporary_rest_seconds: float = Field(
        3600, ge=0, description="a file under one of ftps.temporary_names is taken when it has rested so long"
    )
    costly_pause_seconds: float = Field(
        600, ge=0, description="a TDSP's files wait so long after one of them was refused as FILE_TOO_COSTLY"
    )
    attempts: int = Field(5, ge=1, description="tries before a file is refused for the hub's own fault (disk full)")
    retry_seconds: float = Field(
        2, gt=0, description="pause before the second try; four times as long before each next"
    )


class Mail(Section):
    """Where notices go: an SMTP server, or (the embedded default) a folder of .eml files."""

    folder: Location | None = Path("mail")
    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_starttls: bool = True
    smtp_user: str | None = None
    smtp_password: str | None = Field(None, repr=False)
    sender: str = "Smart Meter Hub <no-reply@hub.example>"
    operator: str | None = Field(None, description="where the hub writes to its own operator; default: support_contact")
    attach_bytes: int = Field(10_000_000, ge=0, description="files of deliveryMode EML are attached up to this: R10")


class GreenButton(Section):
    """What Green Button documents are published under (`greenbutton.publisher`). Address and secret stay for good."""

    base_url: str = Field(
        "https://hub.example/DataCustodian",
        description="resources in documents are named below it; readers compare these names, nothing answers there",
    )
    namespace_secret: Location = Field(
        Path("certs/green-button-secret"), description="file with at least 16 random bytes, such as 64 hex digits"
    )
    time_last_for: tuple[str, ...] = Field(
        (), description="DUNS of companies whose readers go by position: LocalTimeParameters end their documents"
    )

    def secret(self) -> bytes:
        """The secret that hides ESI IDs in documents. Raises `SettingsError` where there is none to be read."""
        try:
            return self.namespace_secret.read_bytes().strip()
        except OSError as error:
            raise SettingsError(
                f"green_button.namespace_secret: {error.strerror}. Make one with `openssl rand -hex 32` and keep it"
            ) from error


class Work(Section):
    """The workers."""

    processes: int = Field(1, ge=1, le=64)
    small_processes: int = Field(
        1, ge=0, le=16, description="further workers for small orders alone: somebody is free while the others are not"
    )
    small_days: int = Field(3_000, ge=1, description="ESI-ID-days of the largest small order")
    lease_seconds: float = Field(120, gt=0, description="a claim returns when its worker has been silent so long")
    poll_seconds: float = Field(0.5, gt=0)
    attempts: int = Field(8, ge=1, description="tries before a part, and with it its order, fails")


class Outbox(Section):
    """How mails and calls to other servers are carried out, and how one that fails is dealt with."""

    threads: int = Field(8, ge=1, le=64, description="of a worker process: so many servers are called side by side")
    attempts: int = Field(12, ge=1, description="tries that a server refused before an effect is given up")
    lease_seconds: float = Field(
        300, gt=0, description="a claimed effect returns then if its worker is gone; longer than the slowest call"
    )
    failures: int = Field(5, ge=1, description="failures in a row after which a server is left alone for a while")
    longest_open_seconds: float = Field(300, gt=0, description="a server that is well again is found within this time")


class Callbacks(Section):
    """Calls to the companies' own servers (RequesterCallback). Only a sandbox calls into private networks."""

    authorities: Location | None = Field(
        None, description="PEM, who may have issued the certificates of companies' servers; default: those of clients"
    )
    timeout_seconds: float = Field(20, gt=0, le=120, description="for connecting, and for each read")
