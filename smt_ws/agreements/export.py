"""A company's agreements as a CSV file in its folder on the FTPS site, zipped and encrypted like every report (A18)."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from adapters import openpgp, packing, publishing
from adapters.scratch_folder import scratch_folder
from smt_ws.agreements.errors import OpenPgpCertificateMissingError
from smt_ws.agreements.search import Search, conditions
from smt_ws.agreements.tables import agreement, agreement_premise
from smt_ws.clock import CENTRAL, real_now
from smt_ws.hub import Hub
from smt_ws.parties.errors import CompanyUnknownError
from smt_ws.parties.tables import company, company_duns, premise
from smt_ws.store import audit

__all__ = ["COLUMNS", "agreements_csv", "export_agreements"]

COLUMNS: Final = (
    "AGREEMENT_NUMBER",
    "AGREEMENT_TYPE",
    "STATUS",
    "ESIID",
    "ESIIDS",
    "CUSTOMER_LAST_NAME",
    "START_DATE",
    "END_DATE",
    "EXPIRES_ON",
)
_ROWS_AT_ONCE: Final = 2_000


def export_agreements(hub: Hub, *, duns: str, search: Search, actor: str) -> tuple[str, int]:
    """Put the agreements that *search* finds, all pages, into the folder of *duns*; return file name and row count.

    Raises `CompanyUnknownError`, `OpenPgpCertificateMissingError`, what the search raises, and what OpenPGP raises
    where the company's key cannot be encrypted to.
    """
    now = hub.clock.now()
    stamp = now.astimezone(UTC)
    member = f"Agreements{stamp:%Y%m%d%H%M%S}{stamp.microsecond // 1000:03d}{secrets.token_hex(16).upper()}.CSV"
    name = f"{member}.{duns}.asc"
    final = hub.settings.ftps.root / duns / "adhoc" / name
    final.parent.mkdir(parents=True, exist_ok=True)
    encrypted = publishing.temporary_name(final)
    try:
        with scratch_folder(hub.settings.work_folder) as scratch:
            zipped = scratch / f"{member}.zip"
            with hub.store.read() as connection:
                row = connection.execute(
                    select(company.c.id, company.c.openpgp_certificate)
                    .join(company_duns, company_duns.c.company_id == company.c.id)
                    .where(company_duns.c.duns == duns)
                ).one_or_none()
                if row is None:
                    raise CompanyUnknownError(presented=duns)
                if row.openpgp_certificate is None:
                    raise OpenPgpCertificateMissingError
                lines = _Counted(agreements_csv(connection, row.id, search))
                with zipped.open("xb") as out:
                    packing.pack(lines, member, now, out)
            openpgp.encrypt_file(zipped, encrypted, row.openpgp_certificate, now=real_now())
        publishing.make_durable(encrypted)
        with hub.store.write() as connection:
            audit.record(
                connection,
                audit.Event.AGREEMENTS_SHOWN,
                actor=actor,
                at=now,
                object=f"company:{row.id}",
                details={"file": name, "rows": lines.rows},
            )
            publishing.publish(encrypted, final)
    finally:
        encrypted.unlink(missing_ok=True)
    return name, lines.rows


class _Counted:
    """Chunks of CSV that know, when all are taken, how many rows they held."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.rows = -1  # the header is none

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.rows += chunk.count(b"\n")
            yield chunk


def agreements_csv(connection: Connection, company_id: int, search: Search) -> Iterator[bytes]:
    """The lines of the file, header first; dates are MM/DD/YYYY, ``ESIIDS`` how many the agreement is about."""
    named = agreement_premise.c.number == agreement.c.number
    first = (
        select(func.min(premise.c.esiid))
        .select_from(premise)
        .join(agreement_premise, agreement_premise.c.premise_id == premise.c.id)
        .where(named)
    )
    counted = select(func.count()).where(named, agreement_premise.c.dropped_at.is_(None))
    rows = connection.execution_options(stream_results=True, max_row_buffer=_ROWS_AT_ONCE).execute(
        select(agreement, first.scalar_subquery().label("esiid"), counted.scalar_subquery().label("esiids"))
        .where(agreement.c.company_id == company_id, *conditions(search))
        .order_by(agreement.c.initiated_at, agreement.c.number)
    )
    yield _lines([COLUMNS])
    for chunk in rows.partitions(_ROWS_AT_ONCE):
        yield _lines([_line(row) for row in chunk])


def _line(row: Any) -> tuple[str, ...]:
    return (
        row.number,
        row.kind.upper(),
        row.status,
        row.esiid or "",
        str(row.esiids),
        row.last_name,
        _day(row.accepted_at),
        _day(row.end_day),
        _day(row.expires_on),
    )


def _day(day: date | datetime | None) -> str:
    if day is None:
        return ""
    return f"{day.astimezone(CENTRAL) if isinstance(day, datetime) else day:%m/%d/%Y}"


def _lines(rows: list[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
