"""`smt_ws.usage.presence.has_value` in the store's own words; a test holds the two together."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, LargeBinary, Text, cast, func, literal, or_
from sqlalchemy.sql import ColumnElement

from smt_ws.store.dialect import is_postgresql

__all__ = ["HAS_VALUE_POSTGRESQL", "HAS_VALUE_SQLITE", "stored_value"]

#: Of a table of interval days named ``d``.
HAS_VALUE_POSTGRESQL: Final = "(d.statuses IS NULL OR btrim(d.statuses, 'M'::bytea) <> ''::bytea)"
HAS_VALUE_SQLITE: Final = "(d.statuses IS NULL OR trim(CAST(d.statuses AS TEXT), 'M') <> '')"


def stored_value(connection: Connection, statuses: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a day with these *statuses* has a value in any of its intervals."""
    if is_postgresql(connection):
        left: ColumnElement[Any] = func.btrim(statuses, literal(b"M", LargeBinary), type_=LargeBinary)
        return or_(statuses.is_(None), left != literal(b"", LargeBinary))
    return or_(statuses.is_(None), func.trim(cast(statuses, Text), "M") != "")
