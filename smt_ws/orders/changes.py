"""Orders that hold what loads brought: the daily posting of a subscription, and changes since a load mark (R8, R13).

Such an order names no ESI IDs and asks for no days: what it holds is found in the store, and all of it is delivered.
Its parts are planned like those of any order and built by the same workers, which read nothing older than its mark.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select

from adapters import lse
from smt_ws.clock import CENTRAL, real_now
from smt_ws.orders import errors, plan, rules
from smt_ws.orders.place import DATA, EXCEPTIONS, MANIFEST, REMARKS
from smt_ws.orders.renderers import RENDERERS
from smt_ws.orders.rules import PartState, Status
from smt_ws.orders.tables import order_part, report_order
from smt_ws.parties.tables import company
from smt_ws.store import audit
from smt_ws.usage.changes import ChangedDays
from smt_ws.usage.opened import Left

__all__ = ["Changes", "Fresh", "cut_changes", "place_changes"]


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """One file's worth: days of one TDSP's premises, and how many records of one channel each they come to."""

    tdsp_duns: str
    slices: plan.Slices
    records: int
    #: Days that a change of access opened, given whole; else what loads brought of them.
    opened: bool = False


@dataclass(frozen=True, slots=True)
class Fresh:
    """An order for what is new, without what it holds: for whom, which report, and between which loads.

    *after_load* is the mark that the requester named or that the last posting reached; *as_of_load* is the new one.
    """

    company_id: int
    duns: str
    report: str
    format: str
    after_load: int
    as_of_load: int
    trans_id: str
    requestor_id: str
    reading_type: str = "A"
    delivery_mode: str = "FTP"
    subscription_id: int | None = None
    #: Days opened too long ago to be posted.
    left: Left | None = None
    posting_day: date | None = None


def cut_changes(
    pieces: Iterable[ChangedDays], *, most: int, record_a_channel: bool = False, opened: bool = False
) -> list[Changes]:
    """Cut what is new for one company into files: each of one TDSP, of at most *most* records (R7, R8).

    *pieces* in the order that `smt_ws.usage.changes.changed_days` gives. An ESI-ID-day is one record, or, where
    *record_a_channel*, one a channel. *opened*: a change of access opened them (R15).
    """
    parts: list[Changes] = []
    for tdsp_duns, of_one in groupby(pieces, key=attrgetter("tdsp_duns")):
        some = list(of_one)
        esiid = some[0].esiid if len(some) == 1 else [name for piece in some for name in piece.esiid]
        premise_id, day, channel = (
            np.concatenate([getattr(piece, name) for piece in some]) for name in ("premise_id", "day", "channel")
        )
        parts += _cut(tdsp_duns, premise_id, day, channel, esiid, most, record_a_channel)
    return [replace(part, opened=True) for part in parts] if opened else parts


def _cut(
    tdsp_duns: str,
    premise_id: NDArray[np.int64],
    day: NDArray[np.int64],
    channel: NDArray[np.int64],
    esiid: Sequence[str],
    most: int,
    record_a_channel: bool,
) -> list[Changes]:
    # A day that is seen by service and by agreement stands there twice.
    same_day = np.r_[False, (premise_id[1:] == premise_id[:-1]) & (day[1:] == day[:-1])]
    same = same_day & np.r_[False, channel[1:] == channel[:-1]]
    days = np.flatnonzero(~same_day)
    records = np.add.reduceat((~same).astype(np.int64), days) if record_a_channel else np.ones(len(days), np.int64)
    ends = np.cumsum(records)
    parts: list[Changes] = []
    begin, used = 0, 0
    while begin < len(days):
        # At least one day a file, whatever it weighs.
        end = max(begin + 1, int(np.searchsorted(ends, used + most, side="right")))
        at = days[begin:end]
        slices = _slices(premise_id[at], day[at], [esiid[row] for row in at.tolist()])
        parts.append(Changes(tdsp_duns, slices, int(ends[end - 1]) - used))
        begin, used = end, int(ends[end - 1])
    return parts


def _slices(premise_id: NDArray[np.int64], day: NDArray[np.int64], esiid: Sequence[str]) -> plan.Slices:
    new_premise = np.r_[True, premise_id[1:] != premise_id[:-1]]
    begins = np.flatnonzero(new_premise | np.r_[True, day[1:] != day[:-1] + 1])
    lasts = np.r_[begins[1:], len(day)] - 1
    number = np.cumsum(new_premise) - 1
    rows = np.empty(len(begins), plan.SLICE)
    rows["esiid"], rows["premise_id"] = number[begins], premise_id[begins]
    rows["first_day"], rows["last_day"] = day[begins], day[lasts]
    names = [esiid[row] for row in np.flatnonzero(new_premise).tolist()]
    return plan.Slices(names, np.arange(len(names), dtype=np.uint32), rows)


def place_changes(
    connection: Connection,
    fresh: Fresh,
    parts: Sequence[Changes],
    *,
    now: datetime,
    actor: str,
    certificate_sha256: str | None = None,
    address: str | None = None,
    reason: str | None = None,
) -> int:
    """Store the order with the files that *parts* are to become and its manifest; return its number.

    A posting goes to the folder ``daily``, anything else to ``adhoc``. *reason* is what the request stated (R20).
    Raises `OpenPgpCertificateMissingError`.
    """
    known = connection.execute(
        select(company.c.csv_profile, company.c.openpgp_certificate.is_not(None).label("can_receive")).where(
            company.c.id == fresh.company_id
        )
    ).one()
    if not known.can_receive:
        raise errors.OpenPgpCertificateMissingError
    today = now.astimezone(CENTRAL).date()
    first_day = min((plan.day_of(part.slices.rows["first_day"].min()) for part in parts), default=today)
    last_day = max((plan.day_of(part.slices.rows["last_day"].max()) for part in parts), default=today)
    esiids = sum(len(part.slices.esiids) for part in parts)
    inserted = connection.execute(
        insert(report_order).values(
            company_id=fresh.company_id,
            duns=fresh.duns,
            trans_id=fresh.trans_id,
            requestor_id=fresh.requestor_id,
            service_type="ADHOC" if fresh.subscription_id is None else "SUBSCRIPTION",
            report=fresh.report,
            format=fresh.format,
            csv_profile=known.csv_profile,
            version="L",
            reading_type=fresh.reading_type,
            delivery_mode=fresh.delivery_mode,
            first_day=first_day,
            last_day=last_day,
            as_of_load=fresh.as_of_load,
            from_load=fresh.after_load,
            folder="adhoc" if fresh.subscription_id is None else "daily",
            subscription_id=fresh.subscription_id,
            posting_day=fresh.posting_day,
            left_to_order=None if fresh.left is None else _told(fresh.left),
            status=Status.PENDING.value,
            esiids_asked=esiids,
            days_asked=sum(part.slices.days for part in parts),
            exceptions=plan.pack_exceptions(plan.merge(())),
            accepted_at=now,
        )
    ).inserted_primary_key
    assert inserted is not None
    number = int(inserted[0])
    rows = [_data_part(fresh, part, now) for part in parts]
    for kind, stage, name, suffix in (
        (EXCEPTIONS, 1, "Exceptions", "CSV"),
        (REMARKS, 1, "Remarks", "CSV"),
        (MANIFEST, 2, "Manifest", "JSON"),
    ):
        rows.append(
            {
                "kind": kind,
                "stage": stage,
                "file_name": _file_name(name, suffix, fresh.duns, now),
                "slices": b"",
                "days_planned": 0,
                "esiids": 0,
                "first_day": first_day,
                "last_day": last_day,
                "tdsp_duns": None,
                "member_name": None,
                "opened": False,
            }
        )
    shared = {
        "order_number": number,
        "company_id": fresh.company_id,
        "planned_at": now,
        "not_before": real_now(),
        "state": PartState.PLANNED.value,
    }
    for position, row in enumerate(rows, start=1):
        row.update(shared, part=position)
        if fresh.format == "LSE" and row["kind"] == DATA:
            created = now.astimezone(CENTRAL)
            row["member_name"] = lse.file_name(row["tdsp_duns"], created, position % 1000)
    connection.execute(insert(order_part), rows)
    audit.record(
        connection,
        audit.Event.ORDER_ACCEPTED,
        actor=actor,
        at=now,
        object=f"order:{number}",
        details={
            "report": fresh.report,
            "format": fresh.format,
            "after_load": fresh.after_load,
            "as_of_load": fresh.as_of_load,
            "esiids": esiids,
            "parts": len(rows),
        }
        | ({} if fresh.subscription_id is None else {"subscription": fresh.subscription_id})
        | ({"reason": reason} if reason else {}),
        certificate_sha256=certificate_sha256,
        address=address,
    )
    return number


def _data_part(fresh: Fresh, part: Changes, now: datetime) -> dict[str, Any]:
    name = RENDERERS[fresh.report, fresh.format].report_name
    return {
        "kind": DATA,
        "stage": 0,
        "file_name": _file_name(name, fresh.format, fresh.duns, now),
        "slices": plan.pack_slices(part.slices),
        "days_planned": part.slices.days,
        "esiids": len(part.slices.esiids),
        "first_day": plan.day_of(part.slices.rows["first_day"].min()),
        "last_day": plan.day_of(part.slices.rows["last_day"].max()),
        "tdsp_duns": part.tdsp_duns,
        "member_name": None,
        "opened": part.opened,
    }


def _told(left: Left) -> dict[str, Any]:
    return asdict(left) | {"first_day": left.first_day.isoformat(), "last_day": left.last_day.isoformat()}


def _file_name(report_name: str, suffix: str, duns: str, now: datetime) -> str:
    return rules.file_name(rules.member_name(report_name, now, secrets.token_hex(16), suffix), duns)
