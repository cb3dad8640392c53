"""The process that tells how the hub is: ``/livez``, ``/readyz`` and ``/metrics`` on ``health.host:health.port``."""

from __future__ import annotations

import json
from pathlib import Path

import structlog

from smt_ws.health.exchanges import folder_of, sweep
from smt_ws.health.server import HealthServer
from smt_ws.hub import Hub
from smt_ws.serve.stopping import on_stop

__all__ = ["run_health"]

log = structlog.get_logger("smt_ws.health")


def run_health(hub: Hub, *, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM, also while the database is away. *ready_file* gets the bound address as JSON."""
    sweep(folder_of(hub.settings))
    with HealthServer(hub) as server:
        on_stop(server.shutdown)
        log.info("telling", address=server.server_address)
        if ready_file is not None:
            ready_file.write_text(json.dumps(server.server_address))
        server.serve_forever()
