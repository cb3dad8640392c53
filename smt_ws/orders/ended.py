"""What agreements that ended after an order was accepted take out of its parts (issue of consent: access ends at once).

An order's days were decided when it was accepted. A part asks once more before it is read, and again in the transaction
that publishes it, whether grants of its company have ended since. Where none has, that is one look into an index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from smt_ws.orders import plan
from smt_ws.orders.claim import Claim
from smt_ws.parties.access import REFUSAL, authorise
from smt_ws.parties.rules import ENERGY_DATA, REASON_CODES, REPORT, Reason
from smt_ws.parties.tables import company, company_duns, grants

__all__ = ["ended_premises", "without_ended"]

_ENDED: Final = REASON_CODES.index(Reason.AGREEMENT_ENDED)


#: What ends a grant takes its moment first and commits afterwards: a TDSP's file of move-ins minutes later. An order
#: that was accepted in between has still seen the grant.
_COMMITTED_WITHIN: Final = timedelta(hours=1)


def ended_premises(connection: Connection, claim: Claim, *, now: datetime) -> frozenset[int]:
    """The premises of the part at which a grant may have ended since the order was accepted: to be asked about anew."""
    ended = connection.scalars(
        select(grants.c.premise_id).where(
            grants.c.company_id == claim.company_id,
            grants.c.scope.in_(_scopes(claim)),
            grants.c.ended_at > claim.accepted_at - _COMMITTED_WITHIN,
            grants.c.ended_at <= now,
        )
    ).all()
    if not ended:
        return frozenset()
    # Unpacked only here: nearly every part has no use for it.
    return frozenset(ended) & frozenset(plan.unpack_slices(claim.slices).rows["premise_id"].tolist())


def without_ended(
    connection: Connection, claim: Claim, slices: plan.Slices, ended: frozenset[int], *, now: datetime
) -> tuple[plan.Slices, plan.Exceptions]:
    """*slices* without the days that are closed *now* at the premises *ended*, and those days as exceptions.

    What another agreement or the company's own service opens stays. No day is lost between the two, none is in both.
    """
    rows = slices.rows
    affected = np.isin(rows["premise_id"], list(ended))
    still = _still_open(connection, claim, slices, rows[affected], now)
    kept: list[tuple[int, int, int, int]] = []
    closed: list[tuple[int, int, int, int]] = []
    for esiid, premise_id, first, last in rows[affected].tolist():
        day = first
        for a, b in still[esiid]:
            a, b = max(a, day), min(b, last)  # noqa: PLW2901 — cut to the planned days
            if a > b:
                continue
            if day < a:
                closed.append((esiid, day, a - 1, _ENDED))
            kept.append((esiid, premise_id, a, b))
            day = b + 1
        if day <= last:
            closed.append((esiid, day, last, _ENDED))
    left = np.concatenate([rows[~affected], np.array(kept, plan.SLICE)])
    left = left[np.lexsort((left["first_day"], left["esiid"]))]
    refused = np.empty(len(closed), REFUSAL)
    for name, column in zip(("esiid", "first_day", "last_day", "code"), _columns(closed), strict=True):
        refused[name] = column.astype("<M8[D]") if name.endswith("_day") else column
    exceptions = plan.compact(slices.esiids, refused, REASON_CODES)
    # compact() knows places in this part; the exceptions file follows places in the request
    placed = plan.Exceptions(
        exceptions.esiids, slices.positions[exceptions.positions], exceptions.rows, exceptions.codes
    )
    return plan.Slices(slices.esiids, slices.positions, left), placed


def _still_open(
    connection: Connection, claim: Claim, slices: plan.Slices, rows: NDArray[Any], now: datetime
) -> dict[int, list[tuple[int, int]]]:
    places = np.unique(rows["esiid"])
    kind = connection.execute(select(company.c.kind).where(company.c.id == claim.company_id)).scalar_one()
    numbers = connection.scalars(select(company_duns.c.duns).where(company_duns.c.company_id == claim.company_id))
    access = authorise(
        connection,
        company_id=claim.company_id,
        # An order placed as CSP sees less than its company as REP; what was planned bounds it either way.
        kind=kind,
        duns_numbers=numbers.all(),
        esiids=[slices.esiids[place] for place in places.tolist()],
        first_day=plan.day_of(rows["first_day"].min()),
        last_day=plan.day_of(rows["last_day"].max()),
        now=now,
        # They were taken with the order.
        allow_test_esiids=True,
        scopes=_scopes(claim),
    )
    still: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for one in access.slices:
        first, last = (int(one[name].astype("<i8")) for name in ("first_day", "last_day"))
        still[int(places[one["esiid"]])].append((first, last))
    return still


def _scopes(claim: Claim) -> Sequence[str]:
    """The scopes of grants that open days to the order of *claim* (A24)."""
    return (ENERGY_DATA,) if claim.agreement is None else (ENERGY_DATA, REPORT)


def _columns(rows: Iterable[tuple[int, ...]]) -> NDArray[np.int64]:
    return np.array(list(rows), np.int64).reshape(-1, 4).T
