"""What the hub knows of premises when records for them arrive: whose they are, and their meters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, select

from smt_ws.parties.tables import meter, premise
from smt_ws.store.dialect import unnested
from smt_ws.usage.rules import KnownPremise, MeterSpell

__all__ = ["known_premises", "meters_of"]

#: Keys bound in one statement: below every store's limit of parameters.
_AT_ONCE = 5000


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


def meters_of(connection: Connection, premise_ids: Sequence[int]) -> Mapping[int, tuple[MeterSpell, ...]]:
    """The meters' stays at each premise, in order of installation."""
    found: dict[int, tuple[MeterSpell, ...]] = {}
    for start in range(0, len(premise_ids), _AT_ONCE):
        rows = connection.execute(
            select(meter.c.premise_id, meter.c.installed_on, meter.c.provisioned_on, meter.c.removed_on)
            .where(meter.c.premise_id.in_(premise_ids[start : start + _AT_ONCE]))
            .order_by(meter.c.premise_id, meter.c.installed_on)
        )
        for premise_id, installed, provisioned, removed in rows:
            spell = MeterSpell(installed, provisioned, removed)
            found[premise_id] = (*found.get(premise_id, ()), spell)
    return found
