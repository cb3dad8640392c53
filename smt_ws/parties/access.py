"""May X see Y for these days? The one place that answers, for 50,000 premises in one statement (R5).

The answer is two arrays, because 50,000 objects would cost more than the question. Every asked ESI-ID-day is in
exactly one row of one of them. What is rare (several spells or grants at one premise) is decided by
`smt_ws.parties.rules.served`; what is common is the same rule on whole columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Integer, Select, and_, cast, exists, func, literal_column, or_, select
from sqlalchemy.sql import ColumnElement

from smt_ws.parties import rules
from smt_ws.parties.premise_numbers import premise_numbers
from smt_ws.parties.rules import KINDS, REASON_CODES, DayRange, Kind, Reason
from smt_ws.parties.tables import grants, premise, rep_of_record
from smt_ws.store.dialect import among, integers, is_postgresql

__all__ = ["REFUSAL", "SLICE", "Access", "Rows", "authorise"]

#: Days that may be seen: ``esiid`` is the position in the asked list, from 0; both days included.
SLICE: Final = np.dtype([("esiid", "<i4"), ("premise_id", "<i8"), ("first_day", "<M8[D]"), ("last_day", "<M8[D]")])
#: Days that may not, and why: ``code`` is a position in `rules.REASON_CODES`.
REFUSAL: Final = np.dtype([("esiid", "<i4"), ("first_day", "<M8[D]"), ("last_day", "<M8[D]"), ("code", "u1")])

Rows = NDArray[Any]


@dataclass(frozen=True)
class Access:
    """What a company may see of what it asked for, and why not the rest."""

    #: Rows of `SLICE`, by ``esiid`` and day.
    slices: Rows
    #: Rows of `REFUSAL`, by ``esiid`` and day.
    refusals: Rows

    @property
    def days_allowed(self) -> int:
        """ESI-ID-days that may be seen."""
        return _days(self.slices)

    @property
    def days_refused(self) -> int:
        """ESI-ID-days that may not; with `days_allowed` all that were asked."""
        return _days(self.refusals)


def _days(rows: Rows) -> int:
    return int((rows["last_day"] - rows["first_day"]).astype(np.int64).sum()) + len(rows)


def authorise(
    connection: Connection,
    *,
    company_id: int,
    kind: str,
    duns_numbers: Sequence[str],
    esiids: Sequence[str],
    first_day: date,
    last_day: date,
    now: datetime,
    allow_test_esiids: bool = False,
    stated_reason: str | None = None,
    scopes: Sequence[str] = (rules.ENERGY_DATA,),
) -> Access:
    """Divide every day from *first_day* to *last_day* of every asked ESI ID into what may be seen and what not.

    *kind* is the capacity the company acts in (`Caller.kind`), *duns_numbers* are all its own, *now* is business
    time: a grant opens nothing before it was granted and nothing once it has ended. *stated_reason* opens everything
    to a kind that sees by it, and to no other (R20). Malformed, repeated and unknown ESI IDs are refused for all days,
    like those that the company may not see; nothing is raised. Grants of
    *scopes* count: for the order that a one-time agreement was made into, `rules.REPORT` too (A24).
    """
    asked = len(esiids)
    # Which refusal holds for the whole range, by ESI ID; -1: none, the rows below decide.
    whole = np.full(asked, -1, np.int16)
    whole[rules.repeated_esiids(esiids)] = _code(Reason.ESIID_REPEATED)
    whole[rules.malformed_esiids(esiids, allow_test=allow_test_esiids)] = _code(Reason.ESIID_MALFORMED)
    named = np.flatnonzero(whole == -1)
    wellformed = esiids if len(named) == asked else [esiids[i] for i in named.tolist()]

    numbers = np.full(asked, -1, np.int64)
    numbers[named] = premise_numbers(connection, wellformed)
    whole[(whole == -1) & (numbers == -1)] = _code(Reason.ESIID_UNKNOWN)
    known = np.flatnonzero(numbers != -1)
    what = KINDS[kind]
    mine = np.zeros(len(known), bool)
    if what.by_wires:
        mine = np.isin(numbers[known], _wired(connection, numbers[known], duns_numbers))
    if what.by_reason:
        mine[:] = bool(stated_reason)
    if not (what.by_service or what.by_grant):
        whole[known[~mine]] = _code(Reason.NOT_YOUR_PREMISE if what.by_wires else Reason.NO_STATED_REASON)
        known, mine = known[mine], mine[mine]

    first, last = np.datetime64(first_day, "D"), np.datetime64(last_day, "D")
    refused = np.flatnonzero(whole != -1)
    refusals = np.empty(len(refused), REFUSAL)
    refusals["esiid"], refusals["code"] = refused, whole[refused]
    refusals["first_day"], refusals["last_day"] = first, last

    found = np.empty(len(known), _PREMISE)
    found["esiid"], found["premise_id"], found["mine"] = known, numbers[known], mine
    found["first"], found["last"], found["served"] = _NEVER, _FOREVER, False
    spells = _spells(connection, found, what, company_id=company_id, duns_numbers=duns_numbers, now=now, scopes=scopes)
    several = np.bincount(spells["at"], minlength=len(found)) > 1
    alone = spells[~several[spells["at"]]]
    for name in ("first", "last", "served"):
        found[name][alone["at"]] = alone[name]
    slices_1, refusals_1 = _one_range_each(found[~several], first, last)
    slices_2, refusals_2 = _by_rule(found, spells[several[spells["at"]]], first_day, last_day)
    return Access(
        slices=_in_order(np.concatenate([slices_1, slices_2])),
        refusals=_in_order(np.concatenate([refusals, refusals_1, refusals_2])),
    )


#: Days are counted from 1970-01-01; a premise without service or grant has _NEVER as its first day.
_FOREVER: Final = (date.max - date(1970, 1, 1)).days
_NEVER: Final = _FOREVER + 1
#: A premise that may be seen as a whole (``mine``) or from ``first`` to ``last``, by service or by grant.
_PREMISE: Final = np.dtype(
    [("esiid", "<i4"), ("premise_id", "<i8"), ("mine", "?"), ("first", "<i8"), ("last", "<i8"), ("served", "?")]
)
#: A spell of service, or a grant, of the premise that stands ``at`` this place among the premises.
_SPELL: Final = np.dtype([("at", "<i8"), ("first", "<i8"), ("last", "<i8"), ("served", "?")])


def _wired(connection: Connection, numbers: NDArray[np.int64], duns_numbers: Sequence[str]) -> NDArray[np.int64]:
    """Those of the premises that hang on the wires of *duns_numbers*."""
    return integers(
        connection,
        select(premise.c.id).where(
            among(connection, premise.c.id, numbers.tolist()), premise.c.tdsp_duns.in_(list(duns_numbers))
        ),
    )[:, 0]


def _spells(
    connection: Connection,
    found: Rows,
    what: Kind,
    *,
    company_id: int,
    duns_numbers: Sequence[str],
    now: datetime,
    scopes: Sequence[str],
) -> Rows:
    """The company's spells of service and its grants at the premises *found*, in no order."""
    rows = []
    if what.by_service and len(found):
        days = _days_of(connection, rep_of_record.c.from_day, rep_of_record.c.to_day)
        mine = rep_of_record.c.duns.in_(list(duns_numbers))
        rows.append(_placed(connection, found, select(rep_of_record.c.premise_id, *days).where(mine), served=True))
    if what.by_grant and len(found):
        in_force = and_(
            grants.c.company_id == company_id,
            grants.c.scope.in_(scopes),
            grants.c.granted_at <= now,
            or_(grants.c.ended_at.is_(None), grants.c.ended_at > now),
        )
        days = _days_of(connection, grants.c.from_day, grants.c.to_day)
        # Most companies hold none at all: that is asked before 50,000 premises are named.
        if connection.scalar(select(exists().where(in_force))):
            rows.append(_placed(connection, found, select(grants.c.premise_id, *days).where(in_force), served=False))
    return np.concatenate(rows) if rows else np.empty(0, _SPELL)


def _placed(connection: Connection, found: Rows, question: Select[Any], *, served: bool) -> Rows:
    numbers = found["premise_id"]
    rows = integers(connection, question.where(among(connection, question.selected_columns[0], numbers.tolist())))
    order = np.argsort(numbers)
    spells = np.empty(len(rows), _SPELL)
    spells["at"] = order[np.searchsorted(numbers, rows[:, 0], sorter=order)]
    spells["first"], spells["last"], spells["served"] = rows[:, 1], rows[:, 2], served
    return spells


def _days_of(
    connection: Connection, first: ColumnElement[date], last: ColumnElement[date | None]
) -> list[ColumnElement[int]]:
    def number(day: ColumnElement[Any]) -> ColumnElement[int]:
        if is_postgresql(connection):
            return day.op("-", return_type=Integer())(literal_column("DATE '1970-01-01'"))
        return cast(func.julianday(day) - 2440587.5, Integer)

    return [func.coalesce(number(first), _NEVER), func.coalesce(number(last), _FOREVER)]


def _one_range_each(found: Rows, first: np.datetime64, last: np.datetime64) -> tuple[Rows, Rows]:
    # rules.served on columns, for premises with at most one service spell or one grant.
    position, premise_id, is_service = found["esiid"], found["premise_id"], found["served"]
    begin, end = found["first"], found["last"]
    a, b = int(first.astype(np.int64)), int(last.astype(np.int64))
    begin = np.where(found["mine"], a, begin)
    seen_from, seen_to = np.maximum(begin, a), np.minimum(end, b)
    some = seen_from <= seen_to

    slices = np.empty(int(some.sum()), SLICE)
    slices["esiid"], slices["premise_id"] = position[some], premise_id[some]
    slices["first_day"], slices["last_day"] = _as_days(seen_from[some]), _as_days(seen_to[some])

    before = np.where(some, seen_from > a, begin > b)
    after = np.where(some, seen_to < b, ~before)
    no_agreement = _code(Reason.NO_AGREEMENT)
    refusals = np.empty(int(before.sum() + after.sum()), REFUSAL)
    head, tail = refusals[: int(before.sum())], refusals[int(before.sum()) :]
    head["esiid"], tail["esiid"] = position[before], position[after]
    head["first_day"], head["last_day"] = first, _as_days(np.where(some, seen_from - 1, b)[before])
    tail["first_day"], tail["last_day"] = _as_days(np.where(some, seen_to + 1, a)[after]), last
    head["code"] = np.where(is_service, _code(Reason.BEFORE_SERVICE), no_agreement)[before]
    tail["code"] = np.where(is_service, _code(Reason.AFTER_SERVICE), no_agreement)[after]
    return slices, refusals


def _by_rule(found: Rows, spells: Rows, first_day: date, last_day: date) -> tuple[Rows, Rows]:
    days: dict[int, tuple[set[DayRange], set[DayRange]]] = {}
    for at, first, last, served in spells.tolist():
        days.setdefault(at, (set(), set()))[0 if served else 1].add(_range(first, last))
    slices: list[tuple[Any, ...]] = []
    refusals: list[tuple[Any, ...]] = []
    for at, (serving, granted) in days.items():
        position, premise_id = found["esiid"][at], found["premise_id"][at]
        seen, refused = rules.served(DayRange(first_day, last_day), serving, granted)
        slices += ((position, premise_id, day.first, day.last) for day in seen)
        refusals += ((position, day.first, day.last, _code(day.code)) for day in refused)
    return np.array(slices, SLICE), np.array(refusals, REFUSAL)


def _range(first: int, last: int) -> DayRange:
    epoch = date(1970, 1, 1).toordinal()
    return DayRange(date.fromordinal(first + epoch), None if last == _FOREVER else date.fromordinal(last + epoch))


def _as_days(numbers: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return numbers.astype("<M8[D]")


def _in_order(rows: Rows) -> Rows:
    return rows[np.lexsort((rows["first_day"], rows["esiid"]))]


def _code(reason: Reason) -> int:
    return REASON_CODES.index(reason)
