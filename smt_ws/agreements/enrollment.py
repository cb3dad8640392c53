"""Agreements and homes that began, changed or ended for each company on one day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select, union, union_all

from smt_ws.agreements.rules import IN_FORCE, Act, Status
from smt_ws.agreements.tables import agreement, agreement_history, agreement_premise
from smt_ws.clock import CENTRAL
from smt_ws.parties.tables import grants, premise, rep_of_record, rep_of_record_history
from smt_ws.usage.tables import load

__all__ = ["COLUMNS", "Enrollment", "agreement_event", "enrollments_of", "service_event"]

BEGAN, CHANGED, ENDED = "BEGAN", "CHANGED", "ENDED"
#: After these an agreement that stays in force is not what it was.
_CHANGING: Final = frozenset({Act.CHANGE, Act.ACCEPT, Act.MOVE_OUT})
_AT_ONCE: Final = 5_000
_SOURCE: Final = "agreement:"


@dataclass(frozen=True, slots=True, order=True)
class Enrollment:
    """One row of the file: a home and the service or agreement that it is about. Its fields are the columns."""

    #: SERVICE (you are its REP of record) or AGREEMENT.
    row: str
    esiid: str
    #: BEGAN, CHANGED or ENDED.
    event: str
    #: First and last operating day of the service or agreement; the latter None where there is no end yet.
    from_date: date | None
    to_date: date | None
    tdsp_duns: str
    agreement_number: str = ""
    agreement_type: str = ""
    status: str = ""


COLUMNS: Final = tuple(field.name.upper() for field in fields(Enrollment))


def enrollments_of(connection: Connection, day: date) -> Mapping[str, Sequence[Enrollment]]:
    """By DUNS number what the hub learnt or did on *day* (US/Central), whatever days it is about, in order.

    So a change of REP that is told late stands in the file of the day on which it was told.
    """
    begins, ends = (datetime.combine(one, time(), CENTRAL) for one in (day, day + timedelta(days=1)))
    found: dict[str, list[Enrollment]] = defaultdict(list)
    for duns, told in _services(connection, begins, ends):
        found[duns].append(told)
    for duns, told in _agreements(connection, begins, ends):
        found[duns].append(told)
    return {duns: sorted(rows, key=_order) for duns, rows in sorted(found.items())}


def _order(told: Enrollment) -> tuple[str, str, date, str]:
    return told.row, told.esiid, told.from_date or date.min, told.agreement_number


Service = tuple[str, date | None]
"""Who serves, and until when; the first day is the key."""


def service_event(duns: str, before: Service | None, after: Service) -> str | None:
    """What became of *duns*'s service from one day on: *before* the day's loads and *after* them; None: nothing."""
    was = before is not None and before[0] == duns
    if after[0] != duns:
        return ENDED if was else None
    if not was or before is None:
        return BEGAN
    if before[1] == after[1]:
        return None
    return ENDED if before[1] is None else CHANGED


def _services(connection: Connection, begins: datetime, ends: datetime) -> Iterable[tuple[str, Enrollment]]:
    """Rows of REPs of record: each spell that the day's loads wrote, against what stood before them."""
    loads = connection.scalars(
        select(load.c.number).where(
            load.c.state == "loaded",
            load.c.kind == "rep_of_record",
            load.c.finished_at >= begins,
            load.c.finished_at < ends,
        )
    ).all()
    if not loads:
        return
    of_day = set(loads)
    now, then = rep_of_record.c, rep_of_record_history.c
    shared = ("premise_id", "from_day", "to_day", "duns", "load_number")
    versions = union_all(
        select(*(now[name] for name in shared)).where(now.load_number.in_(loads)),
        select(*(then[name] for name in shared)).where(or_(then.load_number.in_(loads), then.replaced_by.in_(loads))),
    ).subquery()
    rows = connection.execution_options(stream_results=True, max_row_buffer=_AT_ONCE).execute(
        select(versions, premise.c.esiid, premise.c.tdsp_duns)
        .join(premise, premise.c.id == versions.c.premise_id)
        .order_by(versions.c.premise_id, versions.c.from_day, versions.c.load_number)
    )
    chain: list[Any] = []
    for version in rows:
        if chain and (chain[0].premise_id, chain[0].from_day) != (version.premise_id, version.from_day):
            yield from _of_spell(chain, of_day)
            chain = []
        chain.append(version)
    yield from _of_spell(chain, of_day)


def _of_spell(versions: Sequence[Any], of_day: set[int]) -> Iterable[tuple[str, Enrollment]]:
    """The versions of one spell in the order of their loads: the last one before the day, and the day's own."""
    own = [version for version in versions if version.load_number in of_day]
    if not own:
        return
    earlier = [version for version in versions if version.load_number < own[0].load_number]
    last = own[-1]
    before = (earlier[-1].duns, earlier[-1].to_day) if earlier else None
    after = (last.duns, last.to_day)
    for duns in {after[0], before[0] if before else after[0]}:
        event = service_event(duns, before, after)
        if event:
            # of a spell that is somebody else's now there is no day left
            to_day = last.to_day if last.duns == duns else last.from_day - timedelta(days=1)
            yield duns, Enrollment("SERVICE", last.esiid, event, last.from_day, to_day, last.tdsp_duns)


def agreement_event(acts: Sequence[tuple[str, str | None, str]]) -> str | None:
    """What became of an agreement by a day's *acts*: (act, status before, status after) in order; None: nothing told.

    One that was never in force that day is not told of: an invitation that waits, or was rejected.
    """
    if not acts:
        return None
    before, after = acts[0][1], acts[-1][2]
    was, is_ = (status is not None and Status(status) in IN_FORCE for status in (before, after))
    if was and is_:
        return CHANGED if any(act in _CHANGING for act, _, _ in acts) else None
    if is_:
        return BEGAN
    return ENDED if was or any(Status(status) in IN_FORCE for _, _, status in acts) else None


def _agreements(connection: Connection, begins: datetime, ends: datetime) -> Iterable[tuple[str, Enrollment]]:
    """Rows of agreements: by their acts, and by homes that came to one in force or left it."""
    acts: dict[str, list[tuple[str, str | None, str]]] = defaultdict(list)
    done = agreement_history.c
    for act in connection.execute(
        select(done.number, done.act, done.from_status, done.to_status)
        .where(done.at >= begins, done.at < ends)
        .order_by(done.id)
    ):
        acts[act.number].append((act.act, act.from_status, act.to_status))
    added = _added(connection, begins, ends)
    home = agreement_premise.c
    touched = union(
        select(done.number).where(done.at >= begins, done.at < ends),
        select(home.number).where(home.dropped_at >= begins, home.dropped_at < ends),
        select(func.substr(grants.c.source, len(_SOURCE) + 1)).where(_came(begins, ends)),
    ).subquery()
    rows = connection.execute(
        select(agreement, home.premise_id, home.dropped_at, premise.c.esiid, premise.c.tdsp_duns)
        .join(agreement_premise, home.number == agreement.c.number)
        .join(premise, premise.c.id == home.premise_id)
        .where(agreement.c.number.in_(select(touched.c[0])))
    )
    for row in rows:
        event = _of_home(row, agreement_event(acts[row.number]), (row.number, row.premise_id) in added, begins, ends)
        if event:
            # the acts say how it stood when the day ended; later ones are later files'
            status = acts[row.number][-1][2] if acts[row.number] else row.status
            told = Enrollment(
                "AGREEMENT", row.esiid, event, row.accepted_on, row.end_day, row.tdsp_duns,
                row.number, row.kind.upper(), status,
            )  # fmt: skip
            yield row.duns, told


def _of_home(row: Row[Any], event: str | None, is_added: bool, begins: datetime, ends: datetime) -> str | None:
    """What became of one home of an agreement of which *event* is told."""
    if row.dropped_at is not None and row.dropped_at < begins:
        return None
    if row.dropped_at is not None and row.dropped_at < ends:
        # an invitation has nothing to end
        return ENDED if event in {CHANGED, ENDED} or (event is None and row.accepted_on is not None) else None
    if event in {BEGAN, ENDED}:
        return event
    return BEGAN if is_added else event


def _added(connection: Connection, begins: datetime, ends: datetime) -> set[tuple[str, int]]:
    """Agreements and homes for which grants were written that day and never before."""
    return {
        (row.source.removeprefix(_SOURCE), row.premise_id)
        for row in connection.execute(select(grants.c.source, grants.c.premise_id).where(_came(begins, ends)))
    }


def _came(begins: datetime, ends: datetime) -> ColumnElement[bool]:
    earlier = grants.alias()
    return and_(
        grants.c.granted_at >= begins,
        grants.c.granted_at < ends,
        grants.c.source.startswith(_SOURCE),
        ~exists().where(
            earlier.c.source == grants.c.source,
            earlier.c.premise_id == grants.c.premise_id,
            earlier.c.granted_at < begins,
        ),
    )
