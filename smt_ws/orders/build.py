"""One part from claim to file: rendered, zipped, encrypted to the company's key, published whole or not at all (R7).

Everything that decides the plain content was fixed when the part was planned (its slices, its time, the load number
that the order reads as of), so a part that is built again has the same plain bytes. Publishing is one transaction:
the part is locked and the fence checked, everything is recorded, the file is renamed last, and then comes the commit.
A worker that dies between rename and commit leaves a file that the next one replaces with the same content.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from adapters import openpgp, packing, publishing
from adapters.deflate_code import Deflated
from adapters.scratch_folder import scratch_folder
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.orders import plan, rules
from smt_ws.orders.claim import Claim, hold
from smt_ws.orders.content import Content, Wanted, data_content
from smt_ws.orders.ended import ended_premises, without_ended
from smt_ws.orders.errors import AccessEndedError, ClaimLostError
from smt_ws.orders.finish import all_exceptions, settle
from smt_ws.orders.place import DATA, EXCEPTIONS, REMARKS
from smt_ws.orders.remarks import count_remarks, parts_remarked, remarks_csv
from smt_ws.orders.renderers import DAILY, RENDERERS, Issue, Renderer, publisher_of
from smt_ws.orders.rules import PartState
from smt_ws.orders.tables import order_part, report_order
from smt_ws.parties.record_parties import RecordParties
from smt_ws.parties.rules import REASONS, Reason
from smt_ws.parties.tables import company
from smt_ws.store import audit
from smt_ws.usage.remarks import REMARKS as REMARK_SENTENCES

__all__ = ["build_part", "delivery_folder", "member_of"]

Renderers = Mapping[tuple[str, str], Renderer]


def delivery_folder(root: Path, duns: str, folder: str) -> Path:
    """Return where on the FTPS site files of *duns* appear: ``adhoc`` what it ordered, ``daily`` what is posted."""
    return root / duns / folder


def member_of(part: Any, duns: str) -> str:
    """Return the name of the plain file of *part* (a claim, or a row of ``order_part``) inside its zip."""
    return part.member_name or rules.member_of(part.file_name, duns)


def build_part(
    hub: Hub, claim: Claim, *, renderers: Renderers = RENDERERS, lost: Callable[[], bool] = lambda: False
) -> PartState:
    """Build and publish one claimed part; return the state it is in then.

    *lost* is asked between chunks whether the claim is lost. Raises `ClaimLostError` when it is, at whatever moment;
    `CompanySuspendedError` when the company was suspended meanwhile;
    `DaysDoNotAddUpError`, which no second try can mend; and whatever store, disk and OpenPGP raise. Nothing is
    visible unless all went well.
    """
    final = delivery_folder(hub.settings.ftps.root, claim.duns, claim.folder) / claim.file_name
    final.parent.mkdir(parents=True, exist_ok=True)
    encrypted = publishing.temporary_name(final)
    try:
        with scratch_folder(hub.settings.work_folder) as scratch:
            zipped = scratch / f"{claim.order_number}-{claim.part}.zip"
            with hub.store.read() as connection:
                content = _content(hub, connection, claim, renderers)
                if content is None:
                    return _record(hub, claim, PartState.EMPTY, {})
                with zipped.open("xb") as out:
                    packed = packing.pack(
                        _while_ours(content.chunks, claim, lost), member_of(claim, claim.duns), claim.planned_at, out
                    )
                found: dict[str, Any] = {
                    "records": content.records,
                    "missing": plan.pack_exceptions(content.missing) if content.missing else None,
                    "remarks": content.remarks,
                    "days_delivered": content.days_delivered,
                }
                if content.days_found is not None:
                    found["first_day"], found["last_day"] = content.days_found
                if content.nothing:
                    return _record(hub, claim, PartState.EMPTY, found, ended=content.ended)
                certificate = connection.execute(
                    select(company.c.openpgp_certificate).where(company.c.id == claim.company_id)
                ).scalar_one()
            delivered = openpgp.encrypt_file(zipped, encrypted, certificate, now=real_now())
        # Durable before the transaction: no lock is held while the disk works.
        publishing.make_durable(encrypted)
        values = found | {
            "plain_size": packed.plain_size,
            "plain_sha256": packed.plain_sha256,
            "size": delivered.size,
            "sha256": delivered.sha256,
        }
        return _record(
            hub,
            claim,
            PartState.PUBLISHED,
            values,
            lambda: publishing.publish(encrypted, final),
            ended=content.ended,
        )
    finally:
        encrypted.unlink(missing_ok=True)


def _record(
    hub: Hub,
    claim: Claim,
    state: PartState,
    values: dict[str, Any],
    make_visible: Callable[[], None] = lambda: None,
    *,
    ended: frozenset[int] = frozenset(),
) -> PartState:
    now = hub.clock.now()
    with hub.store.write() as connection:
        hold(connection, claim)
        if claim.kind == DATA and ended_premises(connection, claim, now=now) != ended:
            raise AccessEndedError
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


def _while_ours(
    chunks: Iterable[bytes | Deflated], claim: Claim, lost: Callable[[], bool]
) -> Iterator[bytes | Deflated]:
    for chunk in chunks:
        if lost():
            raise ClaimLostError(f"order {claim.order_number}, part {claim.part}: lost while it was built")
        yield chunk


def _content(hub: Hub, connection: Connection, claim: Claim, renderers: Renderers) -> Content | None:
    if claim.kind == DATA:
        return _data(hub, connection, claim, renderers[claim.report, claim.format])
    if claim.kind == EXCEPTIONS:
        exceptions = all_exceptions(connection, claim.order_number)
        if not len(exceptions.rows):
            return None
        return Content(_exceptions_csv(exceptions), records=len(exceptions.rows))
    if claim.kind == REMARKS:
        if not parts_remarked(connection, claim.order_number):
            return None
        content = Content(iter(()), records=-1)  # its header is no record
        content.chunks = _counted(remarks_csv(connection, claim.order_number), content)
        return content
    files, document = _manifest(hub, connection, claim)
    return Content(iter([document]), records=files)


def _counted(chunks: Iterator[bytes], content: Content) -> Iterator[bytes]:
    for chunk in chunks:
        content.records += chunk.count(b"\n")
        yield chunk


def _data(hub: Hub, connection: Connection, claim: Claim, renderer: Renderer) -> Content:
    slices, dropped, now = plan.unpack_slices(claim.slices), None, hub.clock.now()
    ended = ended_premises(connection, claim, now=now)
    if ended:
        slices, dropped = without_ended(connection, claim, slices, ended, now=now)
    wanted = Wanted(
        report=claim.report,
        slices=slices,
        reading_type=claim.reading_type,
        version=claim.version,
        as_of_load=claim.as_of_load,
        # What an opened day is, and whether a read or a sum tells a day, takes all that is known of it.
        after_load=None if claim.opened or claim.report == DAILY else claim.from_load,
        accepted_at=claim.accepted_at,
    )

    def issue(premise_ids: Sequence[int]) -> Issue:
        return Issue(
            csv_profile=claim.csv_profile,
            made_at=claim.planned_at,
            receiver=claim.duns,
            parties=RecordParties(
                connection,
                premise_ids=premise_ids,
                company_id=claim.company_id,
                as_of_load=claim.as_of_load,
                accepted_at=claim.accepted_at,
            ),
            green_button=hub.settings.green_button,
        )

    content = data_content(connection, wanted, renderer, issue, hub.settings.limits, dropped=dropped)
    content.ended = ended
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


def _manifest(hub: Hub, connection: Connection, claim: Claim) -> tuple[int, bytes]:
    order = connection.execute(select(report_order).where(report_order.c.number == claim.order_number)).one()
    parts = connection.execute(
        select(order_part)
        .where(order_part.c.order_number == claim.order_number, order_part.c.state == PartState.PUBLISHED.value)
        .order_by(order_part.c.part)
    ).all()
    exceptions = all_exceptions(connection, claim.order_number)
    changes = order.from_load is not None
    document: dict[str, Any] = {
        "order": str(order.number),
        "report": order.report,
        "format": order.format,
        "version": order.version,
        "readingType": order.reading_type,
        "firstDay": order.first_day.isoformat(),
        "lastDay": order.last_day.isoformat(),
        "acceptedAt": order.accepted_at.isoformat(),
        "asOfLoad": order.as_of_load,
        "afterLoad": order.from_load,
        "leftToOrder": _left(order.left_to_order) if order.left_to_order else None,
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
        "remarks": [
            {"code": code, "esiidDays": days, "remark": REMARK_SENTENCES[code]}
            for code, days in (
                count_remarks(connection, order.number) if any(part.kind == REMARKS for part in parts) else {}
            ).items()
        ],
        "files": [
            {
                "name": part.file_name,
                "member": member_of(part, order.duns),
                "kind": part.kind,
                "given": ("OPENED" if part.opened else "CHANGED") if changes and part.kind == DATA else None,
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
    if order.format == "XML":
        # A Green Button document hides whose usage it holds; only the requester is told, here.
        publisher = publisher_of(hub.settings.green_button, order.duns)
        named = (esiid for part in parts if part.kind == DATA for esiid in plan.unpack_slices(part.slices).esiids)
        document["usagePoints"] = {esiid: publisher.usage_point_urn(esiid) for esiid in named}
    return len(parts), (json.dumps(document, indent=2) + "\n").encode()


def _left(left: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "esiids": left["esiids"],
        "esiidDays": left["esiid_days"],
        "firstDay": left["first_day"],
        "lastDay": left["last_day"],
        "reason": "These days were opened to you and lie too far back to be posted. Order them.",
    }
