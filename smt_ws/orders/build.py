"""One part from claim to file: rendered, zipped, encrypted to the company's key, published whole or not at all (R7).

Everything that decides the plain content was fixed when the part was planned (its slices, its time, the load number
that the order reads as of), so a part that is built again has the same plain bytes. Publishing is one transaction:
the part is locked and the fence checked, everything is recorded, the file is renamed last, and then comes the commit.
A worker that dies between rename and commit leaves a file that the next one replaces with the same content.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, select, update

from adapters import openpgp, packing, publishing
from adapters.interval_csv import IntervalDay
from smt_ws.clock import CENTRAL, real_now
from smt_ws.hub import Hub
from smt_ws.orders import plan, rules
from smt_ws.orders.claim import Claim, hold
from smt_ws.orders.errors import ClaimLostError, DaysDoNotAddUpError
from smt_ws.orders.finish import all_exceptions, settle
from smt_ws.orders.place import DATA, EXCEPTIONS
from smt_ws.orders.renderers import RENDERERS, Renderer
from smt_ws.orders.rules import PartState
from smt_ws.orders.tables import order_part, report_order
from smt_ws.parties.access import SLICE
from smt_ws.parties.rules import REASON_CODES, REASONS, Reason
from smt_ws.parties.tables import company
from smt_ws.store import audit
from smt_ws.usage.missing import explain_missing
from smt_ws.usage.read import CHANNELS, read_days

__all__ = ["adhoc_folder", "build_part"]

Renderers = Mapping[tuple[str, str], Renderer]


def adhoc_folder(root: Path, duns: str) -> Path:
    """Return the folder of the FTPS site where the files of *duns* that it ordered appear."""
    return root / duns / "adhoc"


@dataclass(slots=True)
class _Content:
    """The plain content of a part while it is written, and what is known once it has been."""

    chunks: Iterator[bytes]
    records: int = 0
    missing: bytes | None = None
    days_delivered: int = 0


def build_part(
    hub: Hub, claim: Claim, *, renderers: Renderers = RENDERERS, lost: Callable[[], bool] = lambda: False
) -> PartState:
    """Build and publish one claimed part; return the state it is in then.

    *lost* is asked between chunks whether the claim is lost. Raises `ClaimLostError` when it is, at whatever moment;
    `DaysDoNotAddUpError`, which no second try can mend; and whatever store, disk and OpenPGP raise. Nothing is
    visible unless all went well.
    """
    final = adhoc_folder(hub.settings.ftps.root, claim.duns) / claim.file_name
    final.parent.mkdir(parents=True, exist_ok=True)
    hub.settings.work_folder.mkdir(parents=True, exist_ok=True)
    encrypted = publishing.temporary_name(final)
    zipped = publishing.temporary_name(hub.settings.work_folder / f"{claim.order_number}-{claim.part}.zip")
    try:
        with hub.store.read() as connection:
            content = _content(hub, connection, claim, renderers)
            if content is None:
                return _record(hub, claim, PartState.EMPTY, {})
            with zipped.open("xb") as out:
                member = rules.member_of(claim.file_name, claim.duns)
                packed = packing.pack(_while_ours(content.chunks, claim, lost), member, claim.planned_at, out)
            certificate = connection.execute(
                select(company.c.openpgp_certificate).where(company.c.id == claim.company_id)
            ).scalar_one()
        openpgp.encrypt_file(zipped, encrypted, certificate, now=real_now())
        # Durable before the transaction: no lock is held while the disk works.
        publishing.make_durable(encrypted)
        with encrypted.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        values = {
            "records": content.records,
            "missing": content.missing,
            "days_delivered": content.days_delivered,
            "plain_size": packed.plain_size,
            "plain_sha256": packed.plain_sha256,
            "size": encrypted.stat().st_size,
            "sha256": sha256,
        }
        return _record(hub, claim, PartState.PUBLISHED, values, lambda: publishing.publish(encrypted, final))
    finally:
        zipped.unlink(missing_ok=True)
        encrypted.unlink(missing_ok=True)


def _record(
    hub: Hub,
    claim: Claim,
    state: PartState,
    values: dict[str, Any],
    make_visible: Callable[[], None] = lambda: None,
) -> PartState:
    now = hub.clock.now()
    with hub.store.write() as connection:
        hold(connection, claim)
        if state is PartState.PUBLISHED:
            values = values | {"published_at": now}
        connection.execute(
            update(order_part)
            .where(order_part.c.order_number == claim.order_number, order_part.c.part == claim.part)
            .values(state=state.value, claimed_by=None, last_error=None, **values)
        )
        keep = timedelta(days=hub.settings.limits.keep_files_days)
        settle(connection, claim.order_number, now=now, keep=keep)
        if state is PartState.PUBLISHED:
            audit.record(
                connection,
                audit.Event.FILE_PUBLISHED,
                actor="hub:work",
                at=now,
                object=f"order:{claim.order_number}",
                details={"file": claim.file_name, "sha256": values["sha256"], "size": values["size"]},
            )
        make_visible()
    return state


def _while_ours(chunks: Iterable[bytes], claim: Claim, lost: Callable[[], bool]) -> Iterator[bytes]:
    for chunk in chunks:
        if lost():
            raise ClaimLostError(f"order {claim.order_number}, part {claim.part}: lost while it was built")
        yield chunk


def _content(hub: Hub, connection: Connection, claim: Claim, renderers: Renderers) -> _Content | None:
    if claim.kind == DATA:
        return _data(hub, connection, claim, renderers[claim.report, claim.format])
    if claim.kind == EXCEPTIONS:
        exceptions = all_exceptions(connection, claim.order_number)
        if not len(exceptions.rows):
            return None
        return _Content(_exceptions_csv(exceptions), records=len(exceptions.rows))
    files, document = _manifest(connection, claim)
    return _Content(iter([document]), records=files)


def _data(hub: Hub, connection: Connection, claim: Claim, renderer: Renderer) -> _Content:
    slices = plan.unpack_slices(claim.slices)
    wanted = np.empty(len(slices.rows), SLICE)
    for name in ("esiid", "premise_id", "first_day", "last_day"):
        wanted[name] = slices.rows[name]
    channels = CHANNELS[claim.reading_type]
    stored = read_days(
        connection,
        slices=wanted,
        channels=channels,
        as_of=claim.as_of_load,
        version="A" if claim.version == "A" else "L",
    )

    def counted(days: Iterable[IntervalDay]) -> Iterator[IntervalDay]:
        # Once an ESI-ID-day whatever its channels and versions: they follow each other.
        before = None
        for day in days:
            this = day.esiid, day.day
            if this != before:
                content.days_delivered += 1
                before = this
            yield day

    def chunks() -> Iterator[bytes]:
        ends = -renderer.heads
        for chunk in renderer.render(counted(stored), claim.csv_profile):
            ends += chunk.count(renderer.record_end)
            yield chunk
        content.records = ends
        reasons = explain_missing(
            connection,
            stored.missing,
            channels=channels,
            as_of=claim.as_of_load,
            # The day of acceptance, not of building: a part built again says the same.
            today=claim.accepted_at.astimezone(CENTRAL).date(),
            due_days=hub.settings.limits.due_days,
            late_days=hub.settings.limits.late_days,
        )
        if len(reasons):
            missing = plan.compact(slices.esiids, reasons, REASON_CODES)
            # compact() knows places in this part; the exceptions file follows places in the request
            missing = plan.Exceptions(missing.esiids, slices.positions[missing.positions], missing.rows, missing.codes)
            content.missing = plan.pack_exceptions(missing)
            days_missing = missing.days
        else:
            days_missing = 0
        if content.days_delivered + days_missing != claim.days_planned:
            raise DaysDoNotAddUpError(
                f"order {claim.order_number}, part {claim.part}: {DaysDoNotAddUpError.sentence()}",
                expected=f"{claim.days_planned} planned",
                presented=f"{content.days_delivered} delivered, {days_missing} missing",
            )

    content = _Content(chunks())
    return content


_ROWS_AT_ONCE = 4096


def _exceptions_csv(exceptions: plan.Exceptions) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["ESIID", "FROM_DATE", "TO_DATE", "CODE", "REASON"])
    reasons = [REASONS[Reason(code)] for code in exceptions.codes]
    dates: dict[int, str] = {}

    def written(day: int) -> str:
        # as in every file of ours, MM/DD/YYYY
        return dates.get(day) or dates.setdefault(day, f"{plan.day_of(day):%m/%d/%Y}")

    rows = exceptions.rows.tolist()
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        writer.writerows(
            (exceptions.esiids[esiid], written(first), written(last), exceptions.codes[code], reasons[code])
            for esiid, first, last, code in rows[start : start + _ROWS_AT_ONCE]
        )
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def _manifest(connection: Connection, claim: Claim) -> tuple[int, bytes]:
    order = connection.execute(select(report_order).where(report_order.c.number == claim.order_number)).one()
    parts = connection.execute(
        select(order_part)
        .where(order_part.c.order_number == claim.order_number, order_part.c.state == PartState.PUBLISHED.value)
        .order_by(order_part.c.part)
    ).all()
    exceptions = all_exceptions(connection, claim.order_number)
    document = {
        "order": str(order.number),
        "report": order.report,
        "format": order.format,
        "version": order.version,
        "readingType": order.reading_type,
        "firstDay": order.first_day.isoformat(),
        "lastDay": order.last_day.isoformat(),
        "acceptedAt": order.accepted_at.isoformat(),
        "asOfLoad": order.as_of_load,
        "esiids": order.esiids_asked,
        "esiidDays": {
            "asked": order.days_asked,
            "delivered": sum(part.days_delivered for part in parts),
            "excepted": exceptions.days,
        },
        "exceptions": [
            {"code": code, "esiidDays": days, "reason": REASONS[Reason(code)]}
            for code, days in sorted(exceptions.by_code().items())
        ],
        "files": [
            {
                "name": part.file_name,
                "member": rules.member_of(part.file_name, order.duns),
                "kind": part.kind,
                "size": part.size,
                "sha256": part.sha256,
                "plainSize": part.plain_size,
                "plainSha256": part.plain_sha256,
                "records": part.records,
                "esiids": part.esiids,
                "esiidDays": part.days_delivered,
                "firstDay": part.first_day.isoformat(),
                "lastDay": part.last_day.isoformat(),
            }
            for part in parts
        ],
    }
    return len(parts), (json.dumps(document, indent=2) + "\n").encode()
