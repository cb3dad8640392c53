"""The daily enrollment file of each company: published whole, once, zipped and encrypted, for as long as postings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import structlog
from sqlalchemy import delete, func, select

from adapters import openpgp, packing, publishing
from adapters.scratch_folder import scratch_folder
from smt_ws.agreements.enrollment import COLUMNS, Enrollment, enrollments_of
from smt_ws.agreements.tables import enrollment_file
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.parties.tables import company, company_duns
from smt_ws.store import audit
from smt_ws.store.dialect import insert

__all__ = ["Published", "publish_enrollments", "remove_expired_enrollments"]

log = structlog.get_logger("smt_ws.enrollment")

#: In the place of a DUNS number: all files of the date are out.
_ALL: Final = ""
_ROWS_AT_ONCE: Final = 2_000


class Holder(NamedTuple):
    """Whose file it is."""

    duns: str
    id: int
    openpgp_certificate: str | None
    suspended_at: datetime | None


@dataclass
class Published:
    """What was done: files and rows published, files held back for want of a key, or of a company that is active."""

    files: int = 0
    rows: int = 0
    held_back: int = 0


def publish_enrollments(hub: Hub, for_date: date) -> Published:
    """Publish the files of the day before *for_date*, and of earlier days that are not all out.

    As far back as files are kept, and never to before the first day that was published: what was loaded earlier has no
    earlier state to compare with. A company without an OpenPGP key, or suspended, gets its files once that is mended.
    """
    done = Published()
    keep = hub.settings.limits.keep_files_days
    with hub.store.read() as connection:
        out = {
            (row.for_date, row.duns)
            for row in connection.execute(select(enrollment_file.c.for_date, enrollment_file.c.duns))
        }
        first = connection.scalar(select(func.min(enrollment_file.c.for_date)))
    last = for_date - timedelta(days=1)
    day = last if first is None else max(first, for_date - timedelta(days=keep))
    while day <= last:
        if (day, _ALL) not in out:
            _publish_day(hub, day, out, done)
        day += timedelta(days=1)
    return done


def _publish_day(hub: Hub, day: date, out: set[tuple[date, str]], done: Published) -> None:
    with hub.store.read() as connection:
        found = enrollments_of(connection, day)
        companies = {
            row.duns: Holder(*row)
            for row in connection.execute(
                select(company_duns.c.duns, company.c.id, company.c.openpgp_certificate, company.c.suspended_at).join(
                    company, company.c.id == company_duns.c.company_id
                )
            )
        }
    held_back = 0
    for duns, rows in found.items():
        holder = companies.get(duns)
        if holder is None or (day, duns) in out:
            continue  # a REP that is not registered here has no folder
        if (
            holder.openpgp_certificate is None
            or holder.suspended_at is not None
            or not _publish(hub, day, holder, rows, done)
        ):
            held_back += 1
    done.held_back += held_back
    if not held_back:
        with hub.store.write() as connection:
            connection.execute(
                insert(connection, enrollment_file)
                .values(for_date=day, duns=_ALL, published_at=hub.clock.now())
                .on_conflict_do_nothing()
            )


def _publish(hub: Hub, day: date, holder: Holder, rows: Sequence[Enrollment], done: Published) -> bool:
    """Publish one file; False where the company has no key, or one that cannot be encrypted to."""
    if holder.openpgp_certificate is None:
        return False
    member = f"Enrollment-{day}.CSV"
    final = _place(hub.settings.ftps.root, holder.duns, day)
    final.parent.mkdir(parents=True, exist_ok=True)
    encrypted = publishing.temporary_name(final)
    try:
        with scratch_folder(hub.settings.work_folder) as scratch:
            zipped = scratch / f"{member}.zip"
            with zipped.open("xb") as stream:
                packing.pack(_csv(rows), member, hub.clock.now(), stream)
            try:
                openpgp.encrypt_file(zipped, encrypted, holder.openpgp_certificate, now=real_now())
            except openpgp.OpenPGPError as error:
                log.warning("enrollment_held_back", duns=holder.duns, day=day.isoformat(), error=type(error).__name__)
                return False
        publishing.make_durable(encrypted)
        with hub.store.write() as connection:
            ours = connection.execute(
                insert(connection, enrollment_file)
                .values(for_date=day, duns=holder.duns, rows=len(rows), published_at=hub.clock.now())
                .on_conflict_do_nothing()
                .returning(enrollment_file.c.duns)
            ).first()
            if ours is None:
                return True
            audit.record(
                connection,
                audit.Event.ENROLLMENT_PUBLISHED,
                actor="hub:jobs",
                at=hub.clock.now(),
                object=f"company:{holder.id}",
                details={"file": final.name, "rows": len(rows)},
            )
            publishing.publish(encrypted, final)
    finally:
        encrypted.unlink(missing_ok=True)
    done.files += 1
    done.rows += len(rows)
    return True


def _place(root: Path, duns: str, day: date) -> Path:
    return root / duns / "enrollment" / f"Enrollment-{day}.CSV.{duns}.asc"


def _csv(rows: Sequence[Enrollment]) -> Iterator[bytes]:
    """The plain file, header first; dates are MM/DD/YYYY."""
    yield _lines([COLUMNS])
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        yield _lines([[_field(value) for value in astuple(row)] for row in rows[first : first + _ROWS_AT_ONCE]])


def _field(value: object) -> str:
    return f"{value:%m/%d/%Y}" if isinstance(value, date) else str(value or "")


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def remove_expired_enrollments(hub: Hub) -> int:
    """Remove the files whose time is over, and their rows; return how many files. The latest day always stays known."""
    over = hub.clock.now() - timedelta(days=hub.settings.limits.keep_files_days)
    table = enrollment_file
    with hub.store.write() as connection:
        latest = connection.scalar(select(func.max(table.c.for_date)))
        if latest is None:
            return 0
        condition = (table.c.published_at <= over, table.c.for_date < latest)
        rows = connection.execute(select(table.c.for_date, table.c.duns).where(*condition)).all()
        files = [_place(hub.settings.ftps.root, row.duns, row.for_date) for row in rows if row.duns != _ALL]
        for file in files:
            file.unlink(missing_ok=True)
        connection.execute(delete(table).where(*condition))
    return len(files)
