"""Counting SOAP exchanges, by the SOAP endpoint's processes, for whoever answers ``/metrics`` on this machine.

Each process counts in files of its own that the health process adds up (the multi-process mode of prometheus-client),
so the sums are right with any number of them, and stay right when one dies. What the labels may say is a closed list:
names of services, operations and fault codes, never a value of a request.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from adapters.soap.exchange import ExchangeRecord
from smt_ws.settings import Settings

__all__ = ["counting", "folder_of", "outcome_of", "sweep"]

_OWNER: Final = re.compile(r"_(\d+)\.db$")
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def folder_of(settings: Settings) -> Path:
    """Where this machine's processes count. Process numbers are unique on one machine only."""
    return settings.work_folder / "metrics" / socket.gethostname()


def sweep(folder: Path) -> None:
    """Remove the files of processes that are gone: their counts begin anew, as after a restart."""
    for file in folder.glob("*.db"):
        owner = _OWNER.search(file.name)
        if owner is not None and not Path(f"/proc/{owner[1]}").exists():
            file.unlink(missing_ok=True)


def outcome_of(record: ExchangeRecord) -> str:
    """How an exchange ended: answered, refused (the caller's to mend), busy (come back), failed (the hub's to mend)."""
    if record.status == 503:
        return "busy"
    if record.fault == "INTERNAL_ERROR":
        return "failed"
    return "refused" if record.fault is not None or record.status >= 400 else "answered"


def counting(folder: Path, services: frozenset[str]) -> Callable[[ExchangeRecord], None]:
    """Begin to count in *folder*; call it in each process, once. *services* are the paths that there are."""
    folder.mkdir(parents=True, exist_ok=True)
    # The library reads this when it is first imported, and decides then where its values live.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    from prometheus_client import CollectorRegistry, Counter, Histogram

    registry = CollectorRegistry()
    requests = Counter("smt_ws_soap_requests", "SOAP requests", ["service", "operation", "outcome"], registry=registry)
    faults = Counter("smt_ws_soap_faults", "Faults that were answered", ["code"], registry=registry)
    seconds = Histogram(
        "smt_ws_soap_request_seconds", "Time from taking a request up to its answer", ["service"],
        buckets=_SECONDS, registry=registry,
    )  # fmt: skip
    waited = Histogram(
        "smt_ws_soap_queue_seconds", "Time that requests waited for a thread", buckets=_SECONDS, registry=registry
    )
    stages = Counter("smt_ws_soap_stage_seconds", "Time by stage of a request", ["stage"], registry=registry)
    received = Counter("smt_ws_soap_received_bytes", "Bytes of messages", registry=registry)

    def count(record: ExchangeRecord) -> None:
        service = record.path.rpartition("/")[2] if record.path in services else "none"
        requests.labels(service, record.operation or "none", outcome_of(record)).inc()
        seconds.labels(service).observe(record.seconds)
        waited.observe(record.waited)
        received.inc(record.bytes_in)
        for stage, taken in record.stages.items():
            stages.labels(stage).inc(taken)
        if record.fault is not None:
            faults.labels(record.fault).inc()

    return count
