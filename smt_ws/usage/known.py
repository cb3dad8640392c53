"""What the hub knows of premises when records for them arrive: whose they are, and their meters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, Date, LargeBinary, cast, func, literal, select, union_all
from sqlalchemy.sql import ColumnElement

from smt_ws.parties.market_as_of import standing
from smt_ws.parties.tables import meter, premise
from smt_ws.store.dialect import among, integers, is_postgresql, sent_integers, unnested
from smt_ws.usage.recent import DENSE
from smt_ws.usage.rules import KnownPremise, MeterSpell

__all__ = ["Premises", "known_premises", "meters_of", "premises_of"]

_EPOCH: Final = date(1970, 1, 1)
#: Stands for a day that has not come: later than every other.
_NEVER: Final = 2**31


def known_premises(connection: Connection, esiids: Iterable[str]) -> dict[str, KnownPremise]:
    """The premises that have one of *esiids*, by ESI ID; unknown ones are not there. One statement however many."""
    asked = unnested(connection, sorted(set(esiids)))
    rows = connection.execute(
        select(
            premise.c.esiid,
            premise.c.id,
            premise.c.tdsp_duns,
            premise.c.status,
            premise.c.premise_type,
            meter.c.installed_on,
            meter.c.provisioned_on,
            meter.c.removed_on,
        )
        .join(asked, asked.c.value == premise.c.esiid)
        .outerjoin(meter, meter.c.premise_id == premise.c.id)
    )
    found: dict[str, KnownPremise] = {}
    for esiid, key, tdsp_duns, status, premise_type, installed, provisioned, removed in rows:
        spell = () if installed is None else (MeterSpell(installed, provisioned, removed),)
        before = found[esiid].meters if esiid in found else ()
        found[esiid] = KnownPremise(key, tdsp_duns, before + spell, status, premise_type)
    return found


def meters_of(
    connection: Connection, premise_ids: Sequence[int], *, as_of: int
) -> Mapping[int, tuple[MeterSpell, ...]]:
    """The meters' stays at each premise as of load *as_of*, in order of installation."""
    stays = union_all(
        *(
            select(of.c.premise_id, of.c.installed_on, of.c.provisioned_on, of.c.removed_on).where(
                among(connection, of.c.premise_id, premise_ids), stood
            )
            for of, stood in standing(meter, as_of)
        )
    )
    found: dict[int, tuple[MeterSpell, ...]] = {}
    for premise_id, *stay in connection.execute(stays.order_by("premise_id", "installed_on")):
        found[premise_id] = (*found.get(premise_id, ()), MeterSpell(*stay))
    return found


@dataclass(frozen=True, eq=False)
class Premises:
    """The premises of many ESI IDs, a row for each that was asked for, as columns."""

    #: The premise's key; 0 where none has the ESI ID.
    id: NDArray[np.int64]
    #: The different ones, without key and meters, and which is whose (one too many: none).
    kinds: tuple[KnownPremise, ...]
    kind: NDArray[np.intp]
    #: The stays of meters: the row, and days since 1970.
    row: NDArray[np.intp]
    installed: NDArray[np.int64]
    provisioned: NDArray[np.int64]
    removed: NDArray[np.int64]

    @property
    def found(self) -> NDArray[np.bool_]:
        """Where there is one."""
        there: NDArray[np.bool_] = self.id != 0
        return there

    def where(self, true_of: Callable[[KnownPremise], bool]) -> NDArray[np.bool_]:
        """Where there is a premise of which something is true that has nothing to do with its meters."""
        answers: NDArray[np.bool_] = np.array([*(true_of(kind) for kind in self.kinds), False])
        of_each: NDArray[np.bool_] = answers.take(self.kind)
        return of_each

    def provisioned_on(self, day: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """`KnownPremise.is_provisioned` of each, each on its *day*."""
        on = day.astype("datetime64[D]").astype(np.int64)[self.row]
        spell = (self.installed <= on) & (self.provisioned <= on) & (on <= self.removed)
        provisioned = np.zeros(len(self.id), bool)
        provisioned[self.row[spell]] = True
        return provisioned

    def known(self, row: int) -> KnownPremise | None:
        """One of them."""
        if not self.id[row]:
            return None
        stays = np.flatnonzero(self.row == row)
        days = np.stack([self.installed[stays], self.provisioned[stays], self.removed[stays]], axis=1).tolist()
        meters = tuple(MeterSpell(_day(first), _day(since), _day(last)) for first, since, last in days)
        kind = self.kinds[int(self.kind[row])]
        return kind._replace(id=int(self.id[row]), meters=meters)


def _day(number: int) -> Any:
    return None if number == _NEVER else date.fromordinal(number + _EPOCH.toordinal())


def premises_of(connection: Connection, esiids: Sequence[str]) -> Premises:
    """The premises of *esiids*, in their order. The same facts as those of `known_premises`."""
    kinds, kind, found = _premises(connection, esiids)
    row, installed, provisioned, removed = _meters(connection, found)
    return Premises(found, kinds, kind, row, installed, provisioned, removed)


def _premises(
    connection: Connection, esiids: Sequence[str]
) -> tuple[tuple[KnownPremise, ...], NDArray[np.intp], NDArray[np.int64]]:
    """The different premises of *esiids*; of each ESI ID which it is (one too many: none), and the premise's key."""
    asked = unnested(connection, esiids)
    about = (premise.c.tdsp_duns, premise.c.status, premise.c.premise_type)
    numbers = (asked.c.position, premise.c.id)
    question = select(*about).join(asked, asked.c.value == premise.c.esiid)
    if esiids and "".join(esiids).isdigit() and len(set(map(len, esiids))) == 1:
        # files are often in the order of ESI IDs: then their premises are found in one go through the index. Every
        # collation has digits in their order, which cannot be said of letters
        question = question.where(premise.c.esiid.between(min(esiids), max(esiids)))
    together: dict[tuple[Any, ...], NDArray[np.int64]] = {}
    if is_postgresql(connection):
        # a row for each kind, its numbers as arrays
        sent = [func.array_send(func.array_agg(cast(number, BigInteger)), type_=LargeBinary) for number in numbers]
        for *key, positions, keys in connection.execute(question.add_columns(*sent).group_by(*about)):
            together[tuple(key)] = np.stack([sent_integers(positions), sent_integers(keys)], axis=1)
    else:
        rows: dict[tuple[Any, ...], list[Any]] = {}
        for *key, position, number in connection.execute(question.add_columns(*numbers)):
            rows.setdefault(tuple(key), []).append((position, number))
        together = {key: np.array(alike, np.int64) for key, alike in rows.items()}
    found, kind = np.zeros(len(esiids), np.int64), np.full(len(esiids), len(together))
    for n, alike in enumerate(together.values()):
        found[alike[:, 0]] = alike[:, 1]
        kind[alike[:, 0]] = n
    return tuple(KnownPremise(0, duns, (), status, sort) for duns, status, sort in together), kind, found


def _meters(connection: Connection, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The stays of meters at premises: the row of *keys*, and first, provisioned and last day, since 1970."""
    there = np.flatnonzero(keys)
    if not len(there):
        return np.empty((4, 0), np.int64)
    wanted = keys[there]
    lowest, highest = int(wanted.min()), int(wanted.max())
    days = (
        _number(connection, meter.c.installed_on),
        func.coalesce(_number(connection, meter.c.provisioned_on), _NEVER),
        func.coalesce(_number(connection, meter.c.removed_on), _NEVER),
    )
    question = select(meter.c.premise_id, *days).where(meter.c.premise_id.between(lowest, highest))
    if highest - lowest >= DENSE * len(wanted):
        asked = unnested(connection, list(map(str, wanted.tolist())))
        question = question.where(meter.c.premise_id.in_(select(cast(asked.c.value, BigInteger))))
    found = integers(connection, question).T
    order = np.argsort(wanted)
    # an ESI ID may be asked for twice
    first, after = (np.searchsorted(wanted[order], found[0], side) for side in ("left", "right"))
    stay = np.repeat(np.arange(len(first)), after - first)
    before = np.cumsum(after - first) - (after - first)
    found = found[:, stay]
    found[0] = there[order[first[stay] + np.arange(len(stay)) - before[stay]]]
    return found


def _number(connection: Connection, day: ColumnElement[date]) -> ColumnElement[Any]:
    """A day as the number of days since 1970."""
    if is_postgresql(connection):
        return day - literal(_EPOCH, Date)
    return cast(func.julianday(day) - func.julianday(literal(_EPOCH, Date)), BigInteger)
