"""The message log as a CSV file in the company's folder on the FTPS site, zipped and encrypted like every report (H6).

The request names the file and how far the log reached; a worker builds it through the outbox. Built again after a
crash it holds the same rows, less those that a move-in since then hides (A31), and it is seen whole or not at all.
"""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, func, select

from adapters import openpgp, packing, publishing
from adapters.scratch_folder import scratch_folder
from smt_ws.clock import Clock, real_now
from smt_ws.han.errors import OpenPgpCertificateMissingError
from smt_ws.han.message_log import COLUMNS, LogRange, LogRow, checked_range, log_rows
from smt_ws.han.tables import han_message_status
from smt_ws.parties.tables import company
from smt_ws.store import audit
from smt_ws.store.outbox import enqueue

if TYPE_CHECKING:
    from smt_ws.han.terms import Terms
    from smt_ws.hub import Hub
    from smt_ws.parties.identify import Caller

__all__ = ["LOG_FILE", "REPORT", "LogFile", "order_log_file", "remove_old_files"]

#: The outbox kind, and how the files' names begin.
LOG_FILE: Final = "han.message_log"
REPORT: Final = "HANMessageLog"
_ROWS_AT_ONCE: Final = 2000
_STAMP: Final = len("yyyymmddHHMMSSmmm")


def order_log_file(
    connection: Connection,
    caller: Caller,
    wanted: LogRange,
    *,
    terms: Terms,
    clock: Clock,
    address: str | None = None,
) -> str:
    """Have the log of *wanted*, as far as it goes now, put into the caller's folder; return the file's name.

    Raises `LogRangeError`, `OpenPgpCertificateMissingError`.
    """
    checked_range(wanted, terms=terms)
    certificate = select(company.c.openpgp_certificate).where(company.c.id == caller.company_id)
    if connection.scalar(certificate) is None:
        raise OpenPgpCertificateMissingError
    now = clock.now()
    stamp = now.astimezone(UTC)
    member = f"{REPORT}{stamp:%Y%m%d%H%M%S}{stamp.microsecond // 1000:03d}{secrets.token_hex(16)}.CSV"
    name = f"{member}.{caller.duns}.asc"
    through = connection.scalar(select(func.max(han_message_status.c.id))) or 0
    enqueue(
        connection,
        kind=LOG_FILE,
        key=name,
        payload={
            "company_id": caller.company_id,
            "kind": caller.kind,
            "duns": caller.duns,
            "duns_numbers": list(caller.duns_numbers),
            "first": wanted.first.isoformat(),
            "last": wanted.last.isoformat(),
            "request_id": wanted.request_id,
            "esiid": wanted.esiid,
            "through": through,
            "member": member,
            "name": name,
            "planned_at": now.isoformat(),
        },
        now=now,
    )
    audit.record(
        connection,
        audit.Event.MESSAGE_LOG_SHOWN,
        actor=f"company:{caller.company_id}",
        at=now,
        details={"first_day": wanted.first.isoformat(), "last_day": wanted.last.isoformat(), "file": name},
        certificate_sha256=caller.tls_sha256,
        address=address,
    )
    return name


class LogFile:
    """Carries out the outbox rows of `order_log_file`."""

    def __init__(self, hub: Hub) -> None:
        """Over the store and the FTPS site of *hub*."""
        self._hub = hub

    def __call__(self, payload: Mapping[str, Any]) -> None:
        """Build and publish one file; a second time replaces it with the same rows."""
        settings = self._hub.settings
        final = settings.ftps.root / payload["duns"] / "adhoc" / payload["name"]
        final.parent.mkdir(parents=True, exist_ok=True)
        encrypted = publishing.temporary_name(final)
        number = payload["request_id"]
        wanted = LogRange(
            date.fromisoformat(payload["first"]), date.fromisoformat(payload["last"]), number, payload["esiid"]
        )
        try:
            with scratch_folder(settings.work_folder) as scratch:
                zipped = scratch / f"{payload['member']}.zip"
                with self._hub.store.read() as connection:
                    rows = log_rows(
                        connection,
                        company_id=payload["company_id"],
                        kind=payload["kind"],
                        duns_numbers=payload["duns_numbers"],
                        wanted=wanted,
                        through=payload["through"],
                        now=self._hub.clock.now(),
                    )
                    with zipped.open("xb") as out:
                        packing.pack(_csv(rows), payload["member"], datetime.fromisoformat(payload["planned_at"]), out)
                    certificate = connection.execute(
                        select(company.c.openpgp_certificate).where(company.c.id == payload["company_id"])
                    ).scalar_one()
                openpgp.encrypt_file(zipped, encrypted, certificate, now=real_now())
            publishing.make_durable(encrypted)
            publishing.publish(encrypted, final)
        finally:
            encrypted.unlink(missing_ok=True)


def _csv(rows: Iterable[LogRow]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for count, row in enumerate(rows, 1):
        writer.writerow([_shown(value) for value in row])
        if count % _ROWS_AT_ONCE == 0:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _shown(value: object) -> object:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value


def remove_old_files(root: Path, *, now: datetime, keep: timedelta) -> int:
    """Remove logs that have stood on the FTPS site below *root* longer than *keep* (R7); return how many."""
    limit = f"{(now - keep).astimezone(UTC):%Y%m%d%H%M%S}000"
    old = [path for path in root.glob(f"*/adhoc/{REPORT}*") if path.name[len(REPORT) : len(REPORT) + _STAMP] < limit]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
