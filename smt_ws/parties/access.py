"""May X see Y for these days? The one place that answers, for 50,000 premises in one statement (R5).

The answer is two arrays, because 50,000 objects would cost more than the question. Every asked ESI-ID-day is in
exactly one row of one of them. What is rare (several spells or grants at one premise) is decided by
`smt_ws.parties.rules.served`; what is common is the same rule on whole columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    LargeBinary,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.sql import ColumnElement

from smt_ws.parties import rules
from smt_ws.parties.rules import KINDS, REASON_CODES, DayRange, Reason
from smt_ws.parties.tables import grants, premise, rep_of_record
from smt_ws.store.dialect import is_postgresql, unnested

__all__ = ["REFUSAL", "SLICE", "Access", "authorise"]

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
) -> Access:
    """Divide every day from *first_day* to *last_day* of every asked ESI ID into what may be seen and what not.

    *kind* is the capacity the company acts in (`Caller.kind`), *duns_numbers* are all its own, *now* is business
    time: a grant opens nothing before it was granted and nothing once it has ended. Malformed, repeated and unknown
    ESI IDs are refused for all days, like those that the company may not see; nothing is raised.
    """
    asked = len(esiids)
    # Which refusal holds for the whole range, by ESI ID; -1: none, the rows below decide.
    whole = np.full(asked, -1, np.int16)
    whole[rules.repeated_esiids(esiids)] = _code(Reason.ESIID_REPEATED)
    whole[rules.malformed_esiids(esiids, allow_test=allow_test_esiids)] = _code(Reason.ESIID_MALFORMED)
    named = np.flatnonzero(whole == -1)
    wellformed = esiids if len(named) == asked else [esiids[i] for i in named.tolist()]

    found = _found(connection, wellformed, company_id=company_id, kind=kind, duns_numbers=duns_numbers, now=now)
    found[:, _POSITION] = named[found[:, _POSITION]]
    unknown = whole == -1
    unknown[found[:, _POSITION]] = False
    whole[unknown] = _code(Reason.ESIID_UNKNOWN)
    if not (KINDS[kind].by_service or KINDS[kind].by_grant):
        closed = found[found[:, _WHOLE] == 0, _POSITION]
        whole[closed] = _code(Reason.NOT_YOUR_PREMISE if KINDS[kind].by_wires else Reason.NO_STATED_REASON)
        found = found[found[:, _WHOLE] == 1]

    first, last = np.datetime64(first_day, "D"), np.datetime64(last_day, "D")
    refused = np.flatnonzero(whole != -1)
    refusals = np.empty(len(refused), REFUSAL)
    refusals["esiid"], refusals["code"] = refused, whole[refused]
    refusals["first_day"], refusals["last_day"] = first, last

    rows_each = np.bincount(found[:, _POSITION], minlength=asked)
    simple = (rows_each[found[:, _POSITION]] == 1) & ~(
        (found[:, _SERVED_FROM] != _NEVER) & (found[:, _GRANTED_FROM] != _NEVER)
    )
    slices_1, refusals_1 = _one_range_each(found[simple], first, last)
    slices_2, refusals_2 = _by_rule(found[~simple], first_day, last_day)
    return Access(
        slices=_in_order(np.concatenate([slices_1, slices_2])),
        refusals=_in_order(np.concatenate([refusals, refusals_1, refusals_2])),
    )


# The columns of a found row: all whole numbers; days are counted from 1970-01-01, without end is _FOREVER, and a row
# without service or grant has _NEVER as its first day. A premise has a row for each pair of service spell and grant.
_POSITION, _PREMISE, _WHOLE, _SERVED_FROM, _SERVED_TO, _GRANTED_FROM, _GRANTED_TO = range(7)
_FOREVER: Final = (date.max - date(1970, 1, 1)).days
_NEVER: Final = _FOREVER + 1


def _found(
    connection: Connection,
    esiids: Sequence[str],
    *,
    company_id: int,
    kind: str,
    duns_numbers: Sequence[str],
    now: datetime,
) -> NDArray[np.int64]:
    # One statement, whole numbers only: decoding 200,000 dates would cost more than finding them.
    if not esiids:
        return np.empty((0, 7), np.int64)
    question = _question(connection, esiids, company_id=company_id, kind=kind, duns_numbers=duns_numbers, now=now)
    if not is_postgresql(connection):
        return np.array([tuple(row) for row in connection.execute(question)], np.int64).reshape(-1, 7)
    # For the rest of this transaction: in the usual 4 MB a hash of the premises is written out and read again.
    connection.execute(select(func.set_config("work_mem", "32MB", literal(True))))
    # All rows as one value, eight bytes a number: a third of the time of fetching them.
    found = question.subquery("found")
    numbers: list[ColumnElement[bytes]] = [
        func.int8send(cast(column, BigInteger), type_=LargeBinary) for column in found.c
    ]
    packed = reduce(lambda row, other: row.op("||", return_type=LargeBinary())(other), numbers)
    rows = connection.execute(select(func.string_agg(packed, literal(b"", LargeBinary), type_=LargeBinary))).scalar()
    return np.frombuffer(rows or b"", ">i8").reshape(-1, 7).astype(np.int64)


def _question(
    connection: Connection,
    esiids: Sequence[str],
    *,
    company_id: int,
    kind: str,
    duns_numbers: Sequence[str],
    now: datetime,
) -> Select[Any]:
    what = KINDS[kind]
    asked = unnested(connection, esiids)
    tables: Any = asked.join(premise, premise.c.esiid == asked.c.value)
    mine: ColumnElement[int] = literal(0)
    if what.by_wires:
        mine = case((premise.c.tdsp_duns.in_(list(duns_numbers)), 1), else_=0)
    never: list[ColumnElement[int]] = [literal(_NEVER), literal(_FOREVER)]
    service, granted = never, never
    if what.by_service:
        tables = tables.outerjoin(
            rep_of_record,
            and_(rep_of_record.c.premise_id == premise.c.id, rep_of_record.c.duns.in_(list(duns_numbers))),
        )
        service = _days_of(connection, rep_of_record.c.from_day, rep_of_record.c.to_day)
    if what.by_grant:
        tables = tables.outerjoin(
            grants,
            and_(
                grants.c.premise_id == premise.c.id,
                grants.c.company_id == company_id,
                grants.c.scope == rules.ENERGY_DATA,
                grants.c.granted_at <= now,
                or_(grants.c.ended_at.is_(None), grants.c.ended_at > now),
            ),
        )
        granted = _days_of(connection, grants.c.from_day, grants.c.to_day)
    return select(asked.c.position, premise.c.id, mine, *service, *granted).select_from(tables)


def _days_of(
    connection: Connection, first: ColumnElement[date], last: ColumnElement[date | None]
) -> list[ColumnElement[int]]:
    def number(day: ColumnElement[Any]) -> ColumnElement[int]:
        if is_postgresql(connection):
            return day.op("-", return_type=Integer())(literal_column("DATE '1970-01-01'"))
        return cast(func.julianday(day) - 2440587.5, Integer)

    return [func.coalesce(number(first), _NEVER), func.coalesce(number(last), _FOREVER)]


def _one_range_each(found: NDArray[np.int64], first: np.datetime64, last: np.datetime64) -> tuple[Rows, Rows]:
    # rules.served on columns, for premises with at most one service spell or one grant.
    position, premise_id = found[:, _POSITION], found[:, _PREMISE]
    is_service, is_grant = found[:, _SERVED_FROM] != _NEVER, found[:, _GRANTED_FROM] != _NEVER
    mine = found[:, _WHOLE] == 1
    begin = np.where(is_service, found[:, _SERVED_FROM], np.where(is_grant, found[:, _GRANTED_FROM], _NEVER))
    end = np.where(is_service, found[:, _SERVED_TO], found[:, _GRANTED_TO])
    a, b = int(first.astype(np.int64)), int(last.astype(np.int64))
    begin = np.where(mine, a, begin)
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


def _by_rule(found: NDArray[np.int64], first_day: date, last_day: date) -> tuple[Rows, Rows]:
    spells: dict[tuple[int, int], tuple[set[DayRange], set[DayRange]]] = {}
    for position, premise_id, _, served_from, served_to, granted_from, granted_to in found.tolist():
        served, granted = spells.setdefault((position, premise_id), (set(), set()))
        if served_from != _NEVER:
            served.add(_range(served_from, served_to))
        if granted_from != _NEVER:
            granted.add(_range(granted_from, granted_to))
    slices: list[tuple[Any, ...]] = []
    refusals: list[tuple[Any, ...]] = []
    for (position, premise_id), (served, granted) in spells.items():
        seen, refused = rules.served(DayRange(first_day, last_day), served, granted)
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
