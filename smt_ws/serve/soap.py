"""The SOAP endpoint's process: gunicorn over mutual TLS, or behind a TLS proxy on a unix socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import structlog

from adapters.soap.exchange import ExchangeRecord
from adapters.soap.gate import Gate
from adapters.soap.server import serve
from adapters.tls import TlsFiles
from smt_ws.health.exchanges import counting, folder_of, outcome_of
from smt_ws.hub import Hub
from smt_ws.parties.identify import Caller
from smt_ws.settings.files import require_files
from smt_ws.soap.app import SERVICES, application
from smt_ws.store.engine import MOST_CONNECTIONS
from smt_ws.store.revision import require_current

__all__ = ["run_soap"]

log = structlog.get_logger("smt_ws.soap")


def run_soap(hub: Hub, *, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM. *ready_file* gets the bound addresses as JSON once connections are taken."""
    require_current(hub.store)
    require_files(hub.settings, "soap")
    hub.store.close()  # connections must not cross the fork; each worker opens its own
    settings = hub.settings
    tls: TlsFiles | None = None
    bind = f"unix:{settings.soap.proxy_socket}"
    if settings.soap.proxy_socket is None:
        bind = f"{settings.soap.host}:{settings.soap.port}"
        tls = TlsFiles(
            certificate=settings.tls.certificate,
            key=settings.tls.key,
            client_ca=settings.tls.client_authorities,
            crl=settings.tls.crl,
            when_crl_expired=settings.tls.when_crl_expired,
        )

    def load() -> Gate:
        # one for each thread that may answer a call at once
        own = Hub.of(settings, connections_kept=min(settings.soap.threads, MOST_CONNECTIONS))
        folder = folder_of(settings)
        try:
            count = counting(folder, frozenset(f"/soap/{name}" for name in SERVICES))
        except OSError as error:
            # an endpoint that cannot write its counts still answers
            log.warning("exchanges are not counted", folder=str(folder), error=error.strerror)
            return application(own, on_exchange=_log_exchange)

        def note(record: ExchangeRecord) -> None:
            _log_exchange(record)
            count(record)

        return application(own, on_exchange=note)

    def ready(addresses: list[Any]) -> None:
        log.info("taking calls", addresses=addresses)
        if ready_file is not None:
            ready_file.write_text(json.dumps(addresses))

    serve(
        load,
        bind=bind,
        tls=tls,
        workers=settings.soap.workers,
        threads=settings.soap.threads,
        on_ready=ready,
    )


def _log_exchange(record: ExchangeRecord) -> None:
    """One line a request: who asked for what and how it ended, and where the time went; nothing that was in it."""
    caller = record.caller
    log.info(
        "exchange",
        path=record.path,
        method=record.method,
        company=caller.company_id if isinstance(caller, Caller) else None,
        duns=caller.duns if isinstance(caller, Caller) else None,
        address=record.address,
        operation=record.operation,
        outcome=outcome_of(record),
        status=record.status,
        fault=record.fault,
        reference=record.reference,
        bytes_in=record.bytes_in,
        bytes_out=record.bytes_out,
        waited=round(record.waited, 4),
        seconds=round(record.seconds, 4),
        stages={stage: round(seconds, 4) for stage, seconds in record.stages.items()},
    )
