"""What TDSPs tell of their premises, put into the store: premises, meters, REPs of record, occupancy (U6, U8, P10).

Each function takes the rows of one file (`adapters.market_csv`) inside the load's transaction: it reads what the store
holds for the named ESI IDs in one statement, decides row by row, and writes what changed in two more: what is replaced
goes to the table's history. A row that cannot be taken is a `Reject`; it never costs another row its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import JSON, Column, Connection, MetaData, Table, Text, and_, cast, literal, select, true

from adapters.market_csv import MeterRow, OccupancyRow, PremiseRow, RepOfRecordRow
from smt_ws.parties.generation import GenerationTold, told_anew
from smt_ws.parties.generation_told import note_told, told_of
from smt_ws.parties.rules import Spell, with_spell
from smt_ws.parties.tables import HISTORY, meter, occupancy, premise, rep_of_record
from smt_ws.store.dialect import copy_rows, insert, is_postgresql, unnested

__all__ = ["Applied", "Reject", "apply_meters", "apply_occupancies", "apply_premises", "apply_reps_of_record"]


@dataclass(frozen=True)
class Reject:
    """A row that was not taken: its line in the file, its ESI ID, a stable code, and the reason."""

    line: int
    esiid: str
    code: str
    reason: str


@dataclass
class Applied:
    """What a file's rows did. Every row is in one of the first three counts or among the rejects."""

    loaded: int = 0
    replaced: int = 0
    unchanged: int = 0
    #: Earlier rows of the store that a row of the file ended: services, stays, meters taken down.
    ended: int = 0
    #: The premises whose spells (services, stays) are others than before; of meters only where there was one before.
    premises: set[int] = field(default_factory=set)
    rejects: list[Reject] = field(default_factory=list)

    def reject(self, row: _Row, code: str, reason: str) -> None:
        """Note that *row* was not taken."""
        self.rejects.append(Reject(row.line, row.esiid, code, reason))


class _Row(Protocol):
    @property
    def line(self) -> int: ...
    @property
    def esiid(self) -> str: ...


_PREMISE_COLUMNS: Final = (
    "tdsp_duns", "service_address", "city", "state", "zip", "premise_type", "status"
)  # fmt: skip
#: Columns of a meter's row that are attributes in the store.
_METER_FIELDS: Final = ("manufacturer", "model", "firmware_version", "han_profile", "han_mac_address")
_LONGEST: Final = {name: getattr(premise.c[name].type, "length", 0) for name in _PREMISE_COLUMNS}

RowT = TypeVar("RowT", bound="_Row")


def apply_premises(
    connection: Connection, rows: Sequence[PremiseRow], *, load_number: int, tdsp_duns: str | None
) -> Applied:
    """Add new premises and replace what has changed of known ones.

    *tdsp_duns* is the TDSP that sent the file: it tells of its own premises only (None: an operator's load, where
    each row speaks for the TDSP it names). Rejects: ``WRONG_TDSP``, ``DUPLICATE`` (the ESI ID stood in an earlier
    row), ``VALUE_TOO_LONG``, ``GENERATION_REVERSED`` (its spell of generation would end before it begins).
    """
    applied = Applied()
    known = {row.esiid: row for row in _of_esiids(connection, rows, premise, [])}
    held_told = told_of(connection, [known[r.esiid].id for r in rows if _says_generation(r) and r.esiid in known])
    changed: dict[str, list[Any]] = {}
    retold: dict[str, GenerationTold] = {}
    seen: set[str] = set()
    for row in rows:
        attributes = _attributes(known.get(row.esiid), row.attributes)
        values = [getattr(row, name) for name in _PREMISE_COLUMNS]
        held = known.get(row.esiid)
        owner = row.tdsp_duns if held is None else held.tdsp_duns
        before = held_told.get(held.id, GenerationTold()) if held is not None else GenerationTold()
        told = told_anew(before, GenerationTold(row.generation_from, row.generation_to))
        if row.esiid in seen:
            applied.reject(row, "DUPLICATE", "the ESI ID stands in an earlier row of this file")
            continue
        seen.add(row.esiid)
        too_long = next((n for n, v in zip(_PREMISE_COLUMNS, values, strict=True) if len(v) > _LONGEST[n]), None)
        if row.tdsp_duns != (tdsp_duns or row.tdsp_duns) or owner != row.tdsp_duns:
            applied.reject(row, "WRONG_TDSP", "the premise is another TDSP's")
        elif too_long is not None:
            applied.reject(row, "VALUE_TOO_LONG", f"{too_long.upper()} has more than {_LONGEST[too_long]} characters")
        elif told is None:
            reason = f"GENERATION_TO {row.generation_to} is before {before.first}, the first day told before"
            applied.reject(row, "GENERATION_REVERSED", reason)
        elif (
            held is not None
            and told == before
            and [getattr(held, name) for name in _PREMISE_COLUMNS] == values
            and attributes == held.attributes
        ):
            applied.unchanged += 1
        else:
            applied.loaded += held is None
            applied.replaced += held is not None
            changed[row.esiid] = [row.esiid, *values, load_number, json.dumps(attributes)]
            if told != before:
                retold[row.esiid] = told
    columns = ["esiid", *_PREMISE_COLUMNS, "load_number", "attributes"]
    _merge(connection, premise, ["esiid"], columns, changed.values(), load_number=load_number, replaces=bool(known))
    if retold:
        found = _of_esiids(connection, [row for row in rows if row.esiid in retold], premise, [])
        note_told(connection, {row.id: retold[row.esiid] for row in found}, load_number=load_number)
    return applied


def _says_generation(row: PremiseRow) -> bool:
    return row.generation_from is not None or row.generation_to is not None


def _attributes(held: Any, said: Mapping[str, str | None]) -> dict[str, str]:
    """What is known of a premise or meter beside its columns: what a file leaves out stays as it was."""
    before: dict[str, str] = {} if held is None else held.attributes
    return before | {name: value for name, value in said.items() if value is not None}


def apply_meters(
    connection: Connection, rows: Sequence[MeterRow], *, load_number: int, tdsp_duns: str | None
) -> Applied:
    """Hang, provision and take down meters; an exchange keeps the ESI ID's history (U8).

    A meter hung while another hangs there takes that one down on the same day: that day's intervals come from both.
    Rejects: ``ESIID_UNKNOWN``, ``WRONG_TDSP``, ``DUPLICATE`` (the same meter and day stood in an earlier row).
    """
    applied = Applied()
    ids = _own_premises(connection, rows, tdsp_duns, applied)
    stored = {
        (row.premise_id, row.meter_number, row.installed_on): row
        for row in _of_esiids(connection, rows, meter, [meter.c.premise_id == premise.c.id])
    }
    held = {key: (row.provisioned_on, row.removed_on) for key, row in stored.items()}
    known = {key: _attributes(row, {}) for key, row in stored.items()}
    hanging: dict[int, set[tuple[str, date]]] = {}
    for (premise_id, number, installed), (_, removed) in held.items():
        if removed is None:
            hanging.setdefault(premise_id, set()).add((number, installed))
    changed: dict[tuple[int, str, date], tuple[date | None, date | None]] = {}
    seen: set[tuple[int, str, date]] = set()
    for row in sorted((r for r in rows if r.esiid in ids), key=lambda r: (r.installed_on, r.line)):
        premise_id = ids[row.esiid]
        key = (premise_id, row.meter_number, row.installed_on)
        if key in seen:
            applied.reject(row, "DUPLICATE", "the same meter and day stand in an earlier row of this file")
            continue
        seen.add(key)
        state = (row.provisioned_on, row.removed_on)
        exchanged = key in held and row.removed_on is None and held[key] == (row.provisioned_on, held[key][1])
        told = _attributes(stored.get(key), {name: getattr(row, name) for name in _METER_FIELDS} | dict(row.attributes))
        if exchanged and _taken_down_by_next(key, held):
            state = held[key]
        if held.get(key) == state and known.get(key) == told:
            applied.unchanged += 1
            continue
        applied.loaded += key not in held
        applied.replaced += key in held
        changed[key] = held[key] = state
        known[key] = told
        there = hanging.setdefault(premise_id, set())
        for number, installed in [one for one in there if one[1] < row.installed_on]:
            earlier = (premise_id, number, installed)
            changed[earlier] = held[earlier] = (held[earlier][0], row.installed_on)
            there.discard((number, installed))
            applied.ended += 1
        (there.add if state[1] is None else there.discard)((row.meter_number, row.installed_on))
    before = {key: (row.provisioned_on, row.removed_on) for key, row in stored.items()}
    had = {key[0] for key in stored}
    applied.premises |= {key[0] for key, state in changed.items() if key[0] in had and before.get(key) != state}
    _merge(
        connection,
        meter,
        ["premise_id", "meter_number", "installed_on"],
        ["premise_id", "meter_number", "installed_on", "provisioned_on", "removed_on", "load_number", "attributes"],
        ([*key, *state, load_number, json.dumps(known[key])] for key, state in changed.items()),
        load_number=load_number,
        replaces=bool(stored),
    )
    return applied


def _taken_down_by_next(
    key: tuple[int, str, date], held: dict[tuple[int, str, date], tuple[date | None, date | None]]
) -> bool:
    # The file's open row was true until the exchange that a later row of it, or an earlier file, told of.
    return any(other[0] == key[0] and other[2] == held[key][1] and other != key for other in held)


def apply_reps_of_record(
    connection: Connection, rows: Sequence[RepOfRecordRow], *, load_number: int, tdsp_duns: str | None
) -> Applied:
    """Take in who serves which premise from when to when, one by one or 100,000 at once (P10).

    Placed by `rules.with_spell`, the rows of a premise in the order of their first days. Rejects: ``ESIID_UNKNOWN``,
    ``WRONG_TDSP``, ``SERVICE_OVERLAPS``.
    """
    return _apply_spells(
        connection,
        rows,
        lambda row: Spell(row.from_date, row.to_date, row.rep_duns),
        rep_of_record,
        ("from_day", "to_day", "duns"),
        ("SERVICE_OVERLAPS", "the service overlaps another one of this premise"),
        load_number,
        tdsp_duns,
    )


def apply_occupancies(
    connection: Connection, rows: Sequence[OccupancyRow], *, load_number: int, tdsp_duns: str | None
) -> Applied:
    """Take in since when the present customer, and each before, has been there (R5).

    Rejects: ``ESIID_UNKNOWN``, ``WRONG_TDSP``, ``STAY_OVERLAPS``.
    """
    return _apply_spells(
        connection,
        rows,
        lambda row: Spell(row.move_in_date, row.move_out_date),
        occupancy,
        ("move_in_day", "move_out_day"),
        ("STAY_OVERLAPS", "the stay overlaps another one of this premise"),
        load_number,
        tdsp_duns,
    )


def _apply_spells(
    connection: Connection,
    rows: Sequence[RowT],
    spell_of: Callable[[RowT], Spell],
    table: Table,
    columns: tuple[str, ...],
    overlap: tuple[str, str],
    load_number: int,
    tdsp_duns: str | None,
) -> Applied:
    applied = Applied()
    ids = _own_premises(connection, rows, tdsp_duns, applied)
    spells: dict[int, list[Spell]] = {}
    for held in _of_esiids(connection, rows, table, [table.c.premise_id == premise.c.id]):
        spells.setdefault(held.premise_id, []).append(Spell(*(getattr(held, name) for name in columns)))
    replaces = bool(spells)
    changed: dict[tuple[int, date], Spell] = {}
    for row in sorted((r for r in rows if r.esiid in ids), key=lambda r: (spell_of(r).first, r.line)):
        premise_id, new = ids[row.esiid], spell_of(row)
        before = sorted(spells.get(premise_id, []))
        after = with_spell(before, new)
        if after is None:
            applied.reject(row, *overlap)
            continue
        differing = set(after) - set(before)
        firsts = {one.first for one in before}
        applied.unchanged += not differing
        applied.loaded += new in differing and new.first not in firsts
        applied.replaced += new in differing and new.first in firsts
        applied.ended += len(differing - {new})
        changed.update({(premise_id, one.first): one for one in differing})
        spells[premise_id] = after
        if differing:
            applied.premises.add(premise_id)
    _merge(
        connection,
        table,
        ["premise_id", columns[0]],
        ["premise_id", *columns, "load_number"],
        ([premise_id, *spell[: len(columns)], load_number] for (premise_id, _), spell in changed.items()),
        load_number=load_number,
        replaces=replaces,
    )
    return applied


def _own_premises(
    connection: Connection, rows: Sequence[_Row], tdsp_duns: str | None, applied: Applied
) -> dict[str, int]:
    # ESI ID to premise, of those rows that may be taken; the others are rejected here.
    known = {row.esiid: row for row in _of_esiids(connection, rows, premise, [])}
    own = {esiid: row.id for esiid, row in known.items() if tdsp_duns in {None, row.tdsp_duns}}
    for row in rows:
        if row.esiid not in known:
            applied.reject(row, "ESIID_UNKNOWN", "no premise has this ESI ID; load the premises first")
        elif row.esiid not in own:
            applied.reject(row, "WRONG_TDSP", "the premise is another TDSP's")
    return own


def _of_esiids(connection: Connection, rows: Sequence[_Row], table: Table, joined: list[Any]) -> Iterable[Any]:
    # The rows of *table* for the ESI IDs that *rows* name, in one statement.
    asked = unnested(connection, list(dict.fromkeys(row.esiid for row in rows)))
    tables: Any = asked.join(premise, premise.c.esiid == asked.c.value)
    for condition in joined:
        tables = tables.join(table, condition)
    return connection.execute(select(table).select_from(tables)).all()


def _merge(
    connection: Connection,
    table: Table,
    keys: list[str],
    columns: list[str],
    rows: Iterable[Sequence[Any]],
    *,
    load_number: int,
    replaces: bool,
) -> None:
    # Bulk upsert: into a temporary table, what it replaces into the history, then over in one statement.
    # JSON travels as text.
    types = {name: Text() if isinstance(table.c[name].type, JSON) else table.c[name].type for name in columns}
    incoming = Table(
        f"incoming_{table.name}", MetaData(), *(Column(name, types[name]) for name in columns),
        prefixes=["TEMPORARY"],
    )  # fmt: skip
    incoming.create(connection)
    copy_rows(connection, incoming, columns, rows)
    if replaces:
        _keep_replaced(connection, table, incoming, keys, load_number)
    # SQLite cannot tell this ON CONFLICT from a join's ON without a WHERE.
    as_json = is_postgresql(connection)
    rows_of = select(
        *(
            cast(column, JSON) if as_json and isinstance(table.c[column.name].type, JSON) else column
            for column in incoming.c
        )
    )
    taken = insert(connection, table).from_select(columns, rows_of.where(true()))
    connection.execute(
        taken.on_conflict_do_update(
            index_elements=keys, set_={name: taken.excluded[name] for name in columns if name not in keys}
        )
    )
    incoming.drop(connection)


def _keep_replaced(connection: Connection, table: Table, incoming: Table, keys: list[str], load_number: int) -> None:
    same = [table.c[key] == incoming.c[key] for key in keys]
    if is_postgresql(connection):
        # OFFSET 0: a look-up a row through the index, whatever the planner believes of the temporary table's size
        held: Any = select(table).where(*same).correlate(incoming).offset(0).lateral("held")
        both = incoming.join(held, true())
    else:
        held, both = table, incoming.join(table, and_(*same))
    columns = [column.name for column in table.columns]
    before = select(*(held.c[name] for name in columns), literal(load_number)).select_from(both)
    connection.execute(HISTORY[table.name].insert().from_select([*columns, "replaced_by"], before))
