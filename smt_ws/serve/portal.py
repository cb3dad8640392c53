"""The portal's process: pages for customers over HTTPS, or behind a TLS proxy on a unix socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import structlog

from adapters.soap.server import serve
from adapters.tls import TlsFiles
from smt_ws.hub import Hub
from smt_ws.portal.app import create_app
from smt_ws.settings.files import require_files
from smt_ws.store.revision import require_current

__all__ = ["run_portal"]

_THIS_MACHINE: Final = ("127.0.0.1", "::1", "localhost")

log = structlog.get_logger("smt_ws.portal")


def run_portal(hub: Hub, *, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM. *ready_file* gets the bound addresses as JSON once connections are taken."""
    require_current(hub.store)
    settings = hub.settings
    require_files(settings, "portal")
    hub.store.close()  # connections must not cross the fork; each worker opens its own
    tls: TlsFiles | None = None
    bind = f"unix:{settings.portal.proxy_socket}"
    if settings.portal.proxy_socket is None:
        bind = f"{settings.portal.host}:{settings.portal.port}"
        tls = TlsFiles(certificate=settings.tls.certificate, key=settings.tls.key, client_ca=None)
        if settings.portal.host not in _THIS_MACHINE:
            log.warning(
                "the portal is open to the world without a proxy",
                host=settings.portal.host,
                advice=f"more than {settings.portal.workers * settings.portal.threads} slow clients hold up all others;"
                " put a proxy in front (portal.proxy_socket) that bounds connections by address",
            )

    def load() -> Any:
        return create_app(Hub.of(settings))

    def ready(addresses: list[Any]) -> None:
        log.info("showing pages", addresses=addresses)
        if ready_file is not None:
            ready_file.write_text(json.dumps(addresses))

    serve(
        load,
        bind=bind,
        tls=tls,
        workers=settings.portal.workers,
        threads=settings.portal.threads,
        on_ready=ready,
        name="smt-ws portal",
    )
