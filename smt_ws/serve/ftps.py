"""The FTPS site's process: each DUNS number's own folders, entered with client certificate and password."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event

import structlog
from sqlalchemy import select

from adapters.ftps import RIGHTS, Account, Deed, FtpsSettings, FtpsSite, Kind
from smt_ws.hub import Hub
from smt_ws.parties.ftps_accounts import ftps_account
from smt_ws.parties.tables import company_duns
from smt_ws.serve.stopping import on_stop
from smt_ws.settings.files import require_files
from smt_ws.store import audit
from smt_ws.store.revision import require_current

__all__ = ["account_kind", "make_folders", "run_ftps", "site_of"]

log = structlog.get_logger("smt_ws.ftps")

#: How long a transfer may go on after SIGTERM, in seconds.
DRAIN = 20.0


def account_kind(kind: str) -> Kind:
    """What a company of *kind* (REP, CSP, TDSP, REG) is on the FTPS site."""
    return "tdsp" if kind == "TDSP" else "requester"


def make_folders(root: Path, duns: str, kind: str) -> Path:
    """Make the folders that a company of *kind* (REP, CSP, TDSP, REG) has under its DUNS number; return its home."""
    home = root / duns
    for name in RIGHTS[account_kind(kind)]:
        (home / name).mkdir(parents=True, exist_ok=True)
    return home


def site_of(hub: Hub) -> FtpsSite:
    """The site, bound to its address, not serving yet."""
    settings = hub.settings

    def directory(user: str) -> Account | None:
        found = ftps_account(hub.store, user)
        if found is None:
            return None
        return Account(
            home=make_folders(settings.ftps.root, found.duns, found.kind),
            kind=account_kind(found.kind),
            certificate_sha256s=found.certificate_sha256s,
            verify_password=found.verify_password,
            still_stands=found.still_stands,
            allows_address=found.allows_address,
        )

    def witness(deed: Deed) -> None:
        # What reveals data is in the audit log, not only that it was ordered (P7).
        with hub.store.write() as connection:
            company_id = connection.scalar(select(company_duns.c.company_id).where(company_duns.c.duns == deed.user))
            audit.record(
                connection,
                _DEEDS[deed.action],
                actor=f"company:{company_id}",
                at=hub.clock.now(),
                object=f"duns:{deed.user}",
                details={"folder": deed.folder, "file": deed.file_name},
                certificate_sha256=deed.certificate_sha256,
                address=deed.address,
            )

    ports = settings.ftps.passive_ports
    return FtpsSite(
        FtpsSettings(
            host=settings.ftps.host,
            port=settings.ftps.port,
            certificate_file=settings.tls.certificate,
            key_file=settings.tls.key,
            client_ca_file=settings.tls.client_authorities,
            crl_file=settings.tls.crl,
            when_crl_expired=settings.tls.when_crl_expired,
            passive_ports=range(ports[0], ports[1] + 1) if ports else None,
            masquerade_address=settings.ftps.masquerade_address,
            inbox_files=settings.ftps.inbox_files,
            inbox_bytes=settings.ftps.inbox_bytes,
            temporary_names=settings.ftps.temporary_names,
            unconfirmed_upload=settings.ftps.unconfirmed_upload,
        ),
        directory,
        witness,
    )


_DEEDS = {
    "fetched": audit.Event.FILE_FETCHED,
    "deleted": audit.Event.FILE_DELETED,
    "stored": audit.Event.FILE_STORED,
    "renamed": audit.Event.FILE_RENAMED,
}


def run_ftps(hub: Hub, *, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM; running transfers are let finish. *ready_file* gets the bound address as JSON."""
    require_current(hub.store)
    require_files(hub.settings, "ftps")
    site = site_of(hub)
    drained = Event()

    def stop() -> None:
        site.close(DRAIN)
        drained.set()

    on_stop(stop)
    log.info("taking connections", address=site.address)
    if ready_file is not None:
        ready_file.write_text(json.dumps(site.address))
    site.serve_forever()
    # transfers go on after the loop has ended
    drained.wait(DRAIN + 10)
