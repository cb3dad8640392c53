"""Taking in a file of monthly billing: first bills, cancellations and rebills, each a version of its period (U6, U10).

A bill is named by its ESI ID and the first day of its period. Rows take effect in the order of the file; where several
are about one bill, the last is what the load brings, and those before it count as replaced. Bills whose periods overlap
are loaded and reported: which of them stand is told when they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Connection, Date, Integer, MetaData, Table, cast, select

from adapters.csv_layout import RowReject
from adapters.usage_csv import MonthlyBillRow
from smt_ws.parties.rules import is_esiid
from smt_ws.store.dialect import copy_rows, unnested
from smt_ws.usage.activity import Finding
from smt_ws.usage.bill_overlaps import BillOverlaps
from smt_ws.usage.bill_periods import EndDay, last_covered
from smt_ws.usage.errors import TooManyRowsError
from smt_ws.usage.intervals import Progress
from smt_ws.usage.known import known_premises
from smt_ws.usage.loads import OpenLoad
from smt_ws.usage.rules import KnownPremise, Severity, whose
from smt_ws.usage.tables import monthly_bill, monthly_bill_history
from smt_ws.usage.versions import POSITION, Versioned, merge_versions

__all__ = ["MOST_ROWS", "Bill", "after", "take_in"]

#: Rows a file may have: its bills are in memory at once.
MOST_ROWS: Final = 500_000
_BATCH: Final = 5000
_QUANTITIES: Final = ("actual_wh", "metered_w", "billed_w", "metered_va", "billed_va")


@dataclass(frozen=True, slots=True)
class Bill:
    """What is billed for one period: Wh, W and VA."""

    last_day: date
    cancelled: bool
    actual_wh: int | None
    metered_w: int | None
    billed_w: int | None
    metered_va: int | None
    billed_va: int | None


def after(held: Bill | None, row: MonthlyBillRow) -> Bill | tuple[str, str]:
    """The bill once *row* has taken effect on what is *held*; or why it cannot: a code and the facts.

    A first bill needs that none stands; the same one again changes nothing. A cancellation needs one, keeps what was
    billed and marks it void. A rebill stands whatever was before it.
    """
    if row.action == "CANCEL":
        if held is None or held.last_day != row.last_day:
            return "NOTHING_TO_CANCEL", f"no bill from {row.first_day} to {row.last_day} has been loaded"
        return replace(held, cancelled=True)
    if row.actual_wh is None:
        return "MISSING_VALUE", "ACTUAL_KWH is empty"
    new = Bill(row.last_day, False, *(getattr(row, name) for name in _QUANTITIES))
    if row.action == "ORIGINAL" and held is not None and not held.cancelled and held != new:
        return "ALREADY_BILLED", f"another bill from {row.first_day} stands; send REBILL, or CANCEL first"
    return new


_BILLS: Final = Versioned(
    staged=Table(
        "incoming_monthly_bill",
        MetaData(),
        Column(POSITION, Integer, nullable=False),
        Column("premise_id", BigInteger, nullable=False),
        Column("first_day", Date, nullable=False),
        Column("last_day", Date, nullable=False),
        Column("cancelled", Boolean, nullable=False),
        *(Column(name, BigInteger) for name in _QUANTITIES),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    ),
    current=monthly_bill,
    history=monthly_bill_history,
    key=("premise_id", "first_day"),
    values=("last_day", "cancelled", *_QUANTITIES),
)

_Key = tuple[int, date]


def take_in(
    opened: OpenLoad,
    rows: Iterable[MonthlyBillRow | RowReject],
    *,
    sender: str,
    today: date,
    end_day: EndDay = EndDay.INCLUSIVE,
    allow_test_esiids: bool = False,
    progress: Progress | None = None,
) -> list[Finding]:
    """Let *rows*, sent by the TDSP *sender*, take effect as this load; count all in its tally.

    *end_day* is what the sender means by an end date. *allow_test_esiids* is that of
    `smt_ws.usage.intervals.take_in`. Returns the findings in order of their lines. Raises `TooManyRowsError`.
    """
    connection, tally = opened.connection, opened.tally
    findings: list[Finding] = []
    bills: dict[_Key, Bill] = {}
    overlaps = BillOverlaps(end_day)
    overtaken = count = 0
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        count += len(batch)
        if count > MOST_ROWS:
            raise TooManyRowsError(f"more than {MOST_ROWS:,} rows")
        good = [row for row in batch if isinstance(row, MonthlyBillRow)]
        known = known_premises(connection, (row.esiid for row in good))
        held = _held(connection, good, known)
        for row in batch:
            if isinstance(row, RowReject):
                findings.append(Finding(row.line, row.esiid, None, None, row.code, Severity.REJECT, row.reason))
                continue
            premise = known.get(row.esiid)
            well_formed = is_esiid(row.esiid, allow_test=allow_test_esiids)
            fault = whose(premise, sender=sender, esiid=row.esiid, well_formed=well_formed)
            if fault is None and (last := last_covered(row.first_day, row.last_day, end_day)) >= today:
                fault = "DAY_NOT_OVER", f"{last} is not over; today is {today}"
            if fault is None:
                assert premise is not None
                key = (premise.id, row.first_day)
                here = held.get(premise.id, {})
                outcome = after(bills.get(key) or here.get(row.first_day), row)
                if isinstance(outcome, Bill):
                    overtaken += key in bills
                    bills[key] = outcome
                    if outcome.cancelled:
                        overlaps.void(*key)
                    else:
                        in_force = {first: bill.last_day for first, bill in here.items() if not bill.cancelled}
                        overlaps.note(*key, row.last_day, line=row.line, stored=in_force)
                    continue
                fault = outcome
            findings.append(Finding(row.line, row.esiid, None, row.first_day, fault[0], Severity.REJECT, fault[1]))
        if progress:
            progress(count)
    tally.rejected = len(findings)
    overlapping = overlaps.findings(connection)
    tally.flagged = len({finding.line for finding in overlapping})
    findings += overlapping
    if bills:
        tally.first_day = min(first for _, first in bills)
        tally.last_day = max(last_covered(first, bill.last_day, end_day) for (_, first), bill in bills.items())
        _BILLS.staged.create(connection)
        columns = [column.name for column in _BILLS.staged.columns]
        copy_rows(
            connection,
            _BILLS.staged,
            columns,
            (
                (n, premise_id, first, *(getattr(bill, name) for name in columns[3:]))
                for n, ((premise_id, first), bill) in enumerate(bills.items())
            ),
        )
        merged = merge_versions(connection, _BILLS, load_number=opened.number)
        tally.loaded, tally.unchanged = merged.loaded, merged.unchanged
        tally.replaced = len(merged.replaced) + overtaken
    return sorted(findings, key=lambda finding: finding.line)


def _held(
    connection: Connection, rows: Sequence[MonthlyBillRow], known: Mapping[str, KnownPremise]
) -> dict[int, dict[date, Bill]]:
    """The bills that the store has of the premises and days of *rows*, by premise and first day."""
    if not known:
        return {}
    asked = unnested(connection, [str(premise.id) for premise in known.values()])
    columns = [monthly_bill.c[name] for name in ("premise_id", "first_day", *Bill.__dataclass_fields__)]
    found = connection.execute(
        select(*columns)
        .join(asked, cast(asked.c.value, BigInteger) == monthly_bill.c.premise_id)
        .where(
            monthly_bill.c.first_day <= max(row.last_day for row in rows),
            monthly_bill.c.last_day >= min(row.first_day for row in rows),
        )
    )
    held: dict[int, dict[date, Bill]] = {}
    for premise_id, first_day, *values in found:
        held.setdefault(premise_id, {})[first_day] = Bill(*values)
    return held
