"""Load numbers: one file is one load, and its rows become visible all at once, in the order of the numbers.

A load takes the next number in a short transaction of its own, so that numbers appear in their order, and commits its
rows and the state ``loaded`` together in one more. An order stores `snapshot` at acceptance: every load up to that
number is finished, and what a later one commits is invisible to the order (architecture: snapshots).

Loads of one TDSP run one after the other, under an advisory lock that dies with the process that holds it; loads of
different TDSPs run side by side. On SQLite one write transaction holds number and rows, because there all writers
queue anyway: a load is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection, Engine, exists, func, or_, select, update

from smt_ws.clock import Clock
from smt_ws.parties.tables import grants
from smt_ws.store import audit
from smt_ws.store.dialect import lock, plan_for_bulk, try_lock, unlock
from smt_ws.store.engine import Store
from smt_ws.usage.errors import FileRefusedError, LoadLostError
from smt_ws.usage.tables import load, load_counter

__all__ = [
    "AlreadyLoaded",
    "Incoming",
    "OpenLoad",
    "Tally",
    "loading",
    "market_told_since",
    "snapshot",
    "sweep_dead_loads",
    "take_number",
]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file about to be loaded."""

    #: ``lse``, ``premises``, ``meters``, ``rep_of_record`` or ``occupancy``.
    kind: str
    tdsp_duns: str
    file_name: str
    #: Of the file as it came, lower-case hex.
    sha256: str


@dataclass(slots=True)
class Tally:
    """What became of a file's records; every record is loaded, replaced, unchanged or rejected."""

    loaded: int = 0
    replaced: int = 0
    unchanged: int = 0
    rejected: int = 0
    #: Records with at least one flag; they are loaded all the same.
    flagged: int = 0
    first_day: date | None = None
    last_day: date | None = None


@dataclass(slots=True)
class OpenLoad:
    """A load under way: write with its connection, and leave the counts in its tally."""

    number: int
    connection: Connection
    tally: Tally = field(default_factory=Tally)


class AlreadyLoaded(Exception):  # noqa: N818 — not an error: the file is in the store
    """The same file has been loaded before; nothing needs to be done."""

    def __init__(self, number: int) -> None:
        """Name the load that brought it."""
        super().__init__(f"load {number} brought this file")
        self.number = number


@contextmanager
def loading(store: Store, clock: Clock, incoming: Incoming, *, actor: str) -> Iterator[OpenLoad]:
    """Run one load: everything that the body writes is committed with the load's state ``loaded``, or nothing is.

    The body fills in the tally. `FileRefusedError` out of the body leaves the load ``refused`` with its reason, any
    other exception ``abandoned``; both go on to the caller. Raises `AlreadyLoaded` where the same file has been
    loaded, and `LoadLostError` where the lock was lost (the connection that held it broke).
    """
    if store.is_sqlite:
        with _one_transaction(store, clock, incoming, actor) as opened:
            yield opened
        return
    # The lock's connection stays outside any transaction: it must not hold back vacuum while the load runs.
    keeper_engine = store.engine.execution_options(isolation_level="AUTOCOMMIT")
    with keeper_engine.connect() as keeper, lock(keeper, _key(incoming.tdsp_duns)):
        with store.write() as connection:
            _abandon_dead(connection, incoming.tdsp_duns, clock.now())
            _refuse_repeat(connection, incoming)
            number = _register(connection, incoming, clock.now())
        try:
            with store.write() as connection:
                plan_for_bulk(connection)
                opened = OpenLoad(number, connection)
                yield opened
                _finish(opened, incoming, actor, clock.now())
        except BaseException as error:
            _give_up(store.engine, number, error, actor, clock.now())
            raise


@contextmanager
def _one_transaction(store: Store, clock: Clock, incoming: Incoming, actor: str) -> Iterator[OpenLoad]:
    try:
        with store.write() as connection:
            _refuse_repeat(connection, incoming)
            opened = OpenLoad(_register(connection, incoming, clock.now()), connection)
            yield opened
            _finish(opened, incoming, actor, clock.now())
    except FileRefusedError as error:
        with store.write() as connection:
            number = _register(connection, incoming, clock.now())
        _give_up(store.engine, number, error, actor, clock.now())
        raise


def _key(tdsp_duns: str) -> str:
    return f"load:{tdsp_duns}"


def _refuse_repeat(connection: Connection, incoming: Incoming) -> None:
    same = (load.c.sha256 == incoming.sha256, load.c.kind == incoming.kind, load.c.tdsp_duns == incoming.tdsp_duns)
    number = connection.scalar(select(func.max(load.c.number)).where(*same, load.c.state == "loaded"))
    if number is not None:
        raise AlreadyLoaded(number)


def take_number(connection: Connection) -> int:
    """Take the next number. The counter row's lock is held to the end of the transaction: numbers appear in order.

    Not only loads take one: what a change of access opens is told of since its number (R15).
    """
    number = connection.execute(
        update(load_counter)
        .where(load_counter.c.id == 1)
        .values(last_number=load_counter.c.last_number + 1)
        .returning(load_counter.c.last_number)
    ).scalar_one()
    return int(number)


def _register(connection: Connection, incoming: Incoming, now: datetime) -> int:
    number = take_number(connection)
    connection.execute(
        load.insert().values(
            number=number,
            kind=incoming.kind,
            tdsp_duns=incoming.tdsp_duns,
            file_name=incoming.file_name[-255:],
            sha256=incoming.sha256,
            state="loading",
            started_at=now,
        )
    )
    return number


def _finish(opened: OpenLoad, incoming: Incoming, actor: str, now: datetime) -> None:
    tally = opened.tally
    done = opened.connection.execute(
        update(load)
        .where(load.c.number == opened.number, load.c.state == "loading")
        .values(
            state="loaded",
            finished_at=now,
            loaded=tally.loaded,
            replaced=tally.replaced,
            unchanged=tally.unchanged,
            rejected=tally.rejected,
            flagged=tally.flagged,
            first_day=tally.first_day,
            last_day=tally.last_day,
        )
    )
    if done.rowcount != 1:
        raise LoadLostError(f"load {opened.number} was given up by another process while it ran")
    counts = {"loaded": tally.loaded, "replaced": tally.replaced, "rejected": tally.rejected}
    audit.record(
        opened.connection,
        audit.Event.LOAD_DONE,
        actor=actor,
        at=now,
        object=f"load:{opened.number}",
        details={"kind": incoming.kind, "tdsp": incoming.tdsp_duns, "file": incoming.file_name, **counts},
    )


def _give_up(engine: Engine, number: int, error: BaseException, actor: str, now: datetime) -> None:
    refused = isinstance(error, FileRefusedError)
    reason = f"{error.code}: {error}" if isinstance(error, FileRefusedError) else type(error).__name__
    with engine.connect() as connection, connection.begin():
        connection.execute(
            update(load)
            .where(load.c.number == number, load.c.state == "loading")
            .values(state="refused" if refused else "abandoned", finished_at=now, reason=reason)
        )
        audit.record(
            connection,
            audit.Event.LOAD_REFUSED if refused else audit.Event.LOAD_ABANDONED,
            actor=actor,
            at=now,
            object=f"load:{number}",
            details={"reason": reason},
        )


def _abandon_dead(connection: Connection, tdsp_duns: str, now: datetime) -> list[int]:
    """Give up what is still ``loading`` for a TDSP whose lock we hold: whoever ran it is dead."""
    dead = (
        update(load)
        .where(load.c.state == "loading", load.c.tdsp_duns == tdsp_duns)
        .values(state="abandoned", finished_at=now, reason="the process that ran it ended")
        .returning(load.c.number)
    )
    numbers = sorted(connection.scalars(dead))
    for number in numbers:
        audit.record(connection, audit.Event.LOAD_ABANDONED, actor="hub:load", at=now, object=f"load:{number}")
    return numbers


def snapshot(connection: Connection) -> int:
    """The highest number up to which every load is finished: what an order accepted now may see; 0 before any."""
    first_open = select(func.min(load.c.number)).where(load.c.state == "loading").scalar_subquery()
    taken = select(load_counter.c.last_number).scalar_subquery()
    highest = select(func.coalesce(func.max(load.c.number), 0)).scalar_subquery()
    open_before, last, registered = connection.execute(select(first_open - 1, taken, highest)).one()
    return int(max(last or 0, registered) if open_before is None else open_before)


def market_told_since(connection: Connection, number: int) -> bool:
    """Whether a load or a grant later than *number* has said who may see what."""
    told = load.c.kind.in_(("rep_of_record", "premises"))
    later = exists().where(load.c.number > number, told)
    return bool(connection.scalar(select(or_(later, exists().where(grants.c.load_number > number)))))


def sweep_dead_loads(store: Store, clock: Clock) -> list[int]:
    """Give up every load whose process is dead, so that it no longer holds `snapshot` back; return their numbers.

    For start-up and a timed job. A load that is alive holds its TDSP's lock and is left alone.
    """
    if store.is_sqlite:
        return []  # an unfinished load leaves no trace there
    with store.read() as connection:
        senders = list(connection.scalars(select(load.c.tdsp_duns).where(load.c.state == "loading").distinct()))
    numbers: list[int] = []
    for tdsp_duns in senders:
        with store.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as keeper:
            if not try_lock(keeper, _key(tdsp_duns)):
                continue
            try:
                with store.write() as connection:
                    numbers += _abandon_dead(connection, tdsp_duns, clock.now())
            finally:
                unlock(keeper, _key(tdsp_duns))
    return sorted(numbers)
