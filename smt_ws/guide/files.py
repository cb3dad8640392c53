"""Samples and layouts of files, written by the code that writes the real ones."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime
from io import BytesIO
from itertools import groupby
from typing import Final, Literal

import numpy as np

from adapters import interval_csv, lse, market_csv, usage_csv
from adapters.central_day import intervals_in
from adapters.interval_csv import IntervalDay
from adapters.lse import LseRecord
from adapters.lse_write import write
from smt_ws.guide.markdown import fenced
from smt_ws.orders.rules import file_name, member_name
from smt_ws.usage import activity

__all__ = [
    "activity_report",
    "interval_smt",
    "interval_standard",
    "lse_layout",
    "lse_sample",
    "market_layouts",
    "names",
]

_ESIID: Final = "10443720030350293"
_DUNS: Final = "111111111"
_SPRING, _AUTUMN, _ORDINARY = date(2026, 3, 8), date(2026, 11, 1), date(2026, 11, 17)


def names() -> str:
    """A file's name and the name of what it holds."""
    moment = datetime(2026, 11, 22, 10, 15, 0, 123000, tzinfo=UTC)
    member = member_name("IntervalMeterUsage", moment, "0123456789abcdef" * 2, "CSV")
    return fenced(f"{file_name(member, _DUNS)}\n└─ zip, encrypted to your OpenPGP key\n   └─ {member}")


def interval_standard() -> str:
    """The profile that counts and labels every interval as it was."""
    return _interval("standard")


def interval_smt() -> str:
    """The profile that is byte for byte what Smart Meter Texas emits."""
    return _interval("smt")


def lse_layout() -> str:
    """The rows of an LSE record."""
    return _tables(inspect.getdoc(lse) or "")


def lse_sample() -> str:
    """One record, the last of its detail rows left out."""
    intervals = intervals_in(_ORDINARY)
    record = LseRecord(
        line=1,
        esiid=_ESIID,
        channel=lse.LOAD,
        day=_ORDINARY,
        values=(np.arange(intervals, dtype=np.int32) * 7 % 400) + 120,
        transaction_id="TX20261118063012",
        created=datetime(2026, 11, 18, 6, 30, 12),  # noqa: DTZ001 - the format has local time
        mre="4444444440000",
        sender="4444444440000",
        receiver="183529049",
        rep=_DUNS,
    )
    out = BytesIO()
    write([record], out)
    lines = out.getvalue().decode().splitlines()
    return fenced("\n".join([*lines[:8], f"… and so on to row {lines[-1].split(',', 1)[0]}"]))


def market_layouts() -> str:
    """What a TDSP tells besides LSE: the tables of `adapters.market_csv` and `adapters.usage_csv`."""
    market, usage = (inspect.getdoc(module) or "" for module in (market_csv, usage_csv))
    usage = usage[usage.index("Quantities are") :]
    return f"{market[market.index('Premises (`PREMISES`)') :].rstrip()}\n\n{usage}"


def activity_report() -> str:
    """The columns of the report that a TDSP gets for each file it delivers."""
    return _tables(inspect.getdoc(activity) or "")


def _interval(profile: Literal["standard", "smt"]) -> str:
    """The header; the first two rows of a day; around the two changes of the clock; a missing interval."""
    text = interval_csv.header(profile)
    shown: list[bytes] = []
    for day, rows in ((_ORDINARY, range(2)), (_SPRING, range(6, 14)), (_AUTUMN, range(6, 14))):
        lines = b"".join(interval_csv.render([_day(day)], profile)).splitlines(keepends=True)
        shown += [*lines[rows.start : rows.stop], b"\n"]
    missing = b"".join(interval_csv.render([_day(_ORDINARY, missing=40)], profile)).splitlines(keepends=True)
    return fenced((text + b"".join([*shown, missing[40]])).decode())


def _day(day: date, missing: int | None = None) -> IntervalDay:
    intervals = intervals_in(day)
    statuses = bytearray(b"A" * intervals)
    if missing is not None:
        statuses[missing : missing + 1] = b"M"
    values = (np.arange(intervals, dtype="<i4") * 11 % 300) + 150
    revised = datetime(day.year, day.month, day.day + 1, 12, 30, 12, tzinfo=UTC)
    return IntervalDay(_ESIID, 4, day, revised, values.tobytes(), bytes(statuses) if missing is not None else None)


def _tables(text: str) -> str:
    blocks = [
        "\n".join(lines)
        for is_table, lines in groupby(text.splitlines(), lambda line: line.startswith("|"))
        if is_table
    ]
    return "\n\n".join(blocks)
