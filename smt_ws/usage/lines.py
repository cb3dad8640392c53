"""The line of a TDSP's file at which a stored version stands: read again out of the archived file.

The store keeps no line with a day: 2.5 million a day, for a question that is asked of one. The archive has the file as
it came, under its SHA-256, so what is found is in the very file that was loaded.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from adapters.lse_read import read_batches
from adapters.usage_csv import MonthlyBillRow, RegisterReadRow
from smt_ws.usage import market
from smt_ws.usage.files import opened
from smt_ws.usage.intervals import AT_ONCE
from smt_ws.usage.sealed import Opening, plain_file
from smt_ws.usage.trace import BillVersion, DayVersion, Origin, ReadVersion

__all__ = ["archived_file", "line_of"]


def archived_file(archive: Path, origin: Origin) -> Path | None:
    """The file of a load as the intake archived it; None for one that was loaded by hand, or is no longer kept."""
    kept = sorted((archive / origin.tdsp_duns / "loaded").glob(f"[!.]*-{origin.sha256}-*"))
    return next((path for path in kept if not path.name.endswith(".activity.csv")), None)


def line_of(
    version: DayVersion | ReadVersion | BillVersion, file: Path, *, esiid: str, day: date, opening: Opening
) -> int | None:
    """The line, from 1, of the plain content of *file* that brought *version* of *esiid* and *day*; None: not found.

    Of an interval day it is the line of row one of its record. Reads the file from its beginning: a second for 50,000
    records. Raises `smt_ws.usage.errors.FileRefusedError` where the file cannot be read any more, and OSError.
    """
    kind = version.origin.kind
    with plain_file(file, opening) as (plain, name), opened(plain, market.kind_of, name=name) as content:
        if kind == "lse":
            if isinstance(version, BillVersion):
                return None
            for batch in read_batches(content.stream, at_once=AT_ONCE):
                for days in batch.days:
                    same = (days.esiid == esiid.encode()) & (days.channel == version.channel)
                    for row in np.flatnonzero(same & (days.day == np.datetime64(day, "D"))).tolist():
                        # one that came before it in the file may have been rejected
                        if not isinstance(version, DayVersion) or (
                            (days.values[row].astype("<i4").tobytes(), days.statuses(row))
                            == (version.values, version.statuses)
                        ):
                            return int(days.line[row])
            return None
        found: int | None = None
        for one in market.rows_of(content.stream, kind):
            if isinstance(version, ReadVersion) and isinstance(one, RegisterReadRow):
                if (one.esiid, int(one.channel or 4), one.read_date) == (esiid, version.channel, day):
                    return one.line
            elif (
                isinstance(version, BillVersion)
                and isinstance(one, MonthlyBillRow)
                and (one.esiid, one.first_day) == (esiid, version.first_day)
            ):
                # of several rows about one bill the last is what the load brought
                found = one.line
        return found
