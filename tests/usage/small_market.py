"""A small market for the tests of usage: premises with meters, and LSE files made of days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from adapters.central_day import intervals_in
from adapters.lse import LseRecord
from adapters.lse_write import write
from smt_ws.parties.tables import meter, premise
from smt_ws.store.engine import Store

ONCOR = "1039940674000"
OTHER = "957877905"


def esiid(number: int) -> str:
    return f"1044372{number:010}"


def add_premises(
    store: Store,
    count: int,
    *,
    first: int = 1,
    tdsp: str = ONCOR,
    installed: date = date(2026, 1, 1),
    provisioned: date | None = date(2026, 1, 1),
) -> list[int]:
    """Premises numbered from *first*, each with one meter; returns their keys."""
    numbers = range(first, first + count)
    with store.write() as connection:
        rows = [{"esiid": esiid(n), "tdsp_duns": tdsp, "load_number": 0} for n in numbers]
        connection.execute(insert(premise), rows)
        keys = list(
            connection.scalars(
                premise.select()
                .with_only_columns(premise.c.id)
                .where(premise.c.esiid.in_([esiid(n) for n in numbers]))
                .order_by(premise.c.esiid)
            )
        )
        meters = [
            {
                "premise_id": key,
                "meter_number": f"M{n}",
                "installed_on": installed,
                "provisioned_on": provisioned,
                "load_number": 0,
            }
            for n, key in zip(numbers, keys, strict=True)
        ]
        connection.execute(insert(meter), meters)
    return keys


def day_of(
    number: int,
    day: date,
    *,
    channel: int = 4,
    wh: int | Sequence[int] = 250,
    statuses: bytes | None = None,
    sender: str = ONCOR,
    reads: tuple[str, str] | None = None,
) -> LseRecord:
    """One record: every interval *wh*, or the values themselves; *reads* are the register's, in kWh."""
    values = np.full(intervals_in(day), wh, np.int32) if isinstance(wh, int) else np.array(wh, np.int32)
    return LseRecord(
        line=0,
        esiid=esiid(number),
        channel=channel,
        day=day,
        values=values,
        statuses=statuses,
        start_reading=Decimal(reads[0]) if reads else None,
        stop_reading=Decimal(reads[1]) if reads else None,
        transaction_id=f"T{number}",
        created=datetime(2026, 11, 20, 3, 0),
        sender=sender,
        mre=sender,
    )


def marked(day: date, letter: bytes, *positions: int) -> bytes:
    """Statuses of *day*: actual but for *positions*."""
    letters = bytearray(b"A" * intervals_in(day))
    for position in positions:
        letters[position : position + 1] = letter
    return bytes(letters)


def write_lse(path: Path, records: Sequence[LseRecord]) -> Path:
    with path.open("wb") as stream:
        write(records, stream)
    return path
