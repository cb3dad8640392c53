"""Findings on TDSPs and REPs that market files name and the hub does not know (U6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, select

from smt_ws.parties.tables import company, company_duns
from smt_ws.usage.activity import Finding
from smt_ws.usage.rules import Severity

__all__ = ["unregistered"]

#: By kind of file: the field that names a company, the kind that the company must be, the rule, and what is so then.
_NAMED: Final[Mapping[str, tuple[str, str, str, str]]] = MappingProxyType(
    {
        "premises": (
            "tdsp_duns",
            "TDSP",
            "TDSP_NOT_REGISTERED",
            "no TDSP with the DUNS number {duns} is registered ({rows} rows)",
        ),
        "rep_of_record": (
            "rep_duns",
            "REP",
            "REP_NOT_REGISTERED",
            "no REP with the DUNS number {duns} is registered: no REP sees these days by its service ({rows} rows)",
        ),
    }
)


def unregistered(connection: Connection, kind: str, rows: Iterable[Any]) -> dict[Finding, int]:
    """A finding for each DUNS number that *rows* of a file of *kind* name and no company has, and how many rows do.

    The finding is about the first row that names it. The rows are taken all the same: companies are often registered
    later than their premises are told.
    """
    if kind not in _NAMED:
        return {}
    field, company_kind, rule, reason = _NAMED[kind]
    named: dict[str, list[Any]] = {}
    for row in rows:
        named.setdefault(getattr(row, field), []).append(row)
    known = set(
        connection.scalars(
            select(company_duns.c.duns)
            .join(company, company.c.id == company_duns.c.company_id)
            .where(company.c.kind == company_kind)
        )
    )
    return {
        Finding(
            some[0].line,
            some[0].esiid,
            None,
            None,
            rule,
            Severity.FLAG,
            reason.format(duns=duns, rows=len(some)),
        ): len(some)
        for duns, some in named.items()
        if duns not in known
    }
