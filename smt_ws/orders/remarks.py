"""Remarks on what an order delivers (U5, U10): kept with each data file, told in a file of their own.

Beside the exceptions, which say what is not there and why, they say what must be known of what is there. A part is in
memory at a time.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, select

from adapters.daily_csv import thousandths
from smt_ws.orders import plan
from smt_ws.orders.tables import order_part
from smt_ws.usage.remarks import REMARKS

__all__ = ["HEADER", "count_remarks", "parts_remarked", "remark_sentence", "remarks_csv"]

HEADER: Final = ("ESIID", "FROM_DATE", "TO_DATE", "CHANNEL", "CODE", "REMARK")


def parts_remarked(connection: Connection, order_number: int) -> list[int]:
    """The parts of the order on whose files there are remarks."""
    of_order = order_part.c.order_number == order_number
    return list(
        connection.scalars(
            select(order_part.c.part).where(of_order, order_part.c.remarks.is_not(None)).order_by(order_part.c.part)
        )
    )


def _remarks(connection: Connection, order_number: int) -> Iterator[plan.Remarks]:
    for part in parts_remarked(connection, order_number):
        packed = connection.execute(
            select(order_part.c.remarks).where(order_part.c.order_number == order_number, order_part.c.part == part)
        ).scalar_one()
        yield plan.unpack_remarks(packed)


def count_remarks(connection: Connection, order_number: int) -> dict[str, int]:
    """ESI-ID-days under each code, codes in the order of the alphabet."""
    counts: Counter[str] = Counter()
    for remarks in _remarks(connection, order_number):
        # an ESI ID may be in two parts, a day of it is in one
        counts.update(remarks.by_code())
    return dict(sorted(counts.items()))


def remarks_csv(connection: Connection, order_number: int) -> Iterator[bytes]:
    """The remarks of an order as CSV, part by part, each in the order of the request, then by day; header first."""
    yield _lines([HEADER])
    for remarks in _remarks(connection, order_number):
        for start in range(0, len(remarks.rows), _ROWS_AT_ONCE):
            rows = remarks.rows[start : start + _ROWS_AT_ONCE].tolist()
            yield _lines(
                (
                    remarks.esiids[esiid],
                    # as in every file of ours, MM/DD/YYYY
                    f"{plan.day_of(first):%m/%d/%Y}",
                    f"{plan.day_of(last):%m/%d/%Y}",
                    channel,
                    remarks.codes[code],
                    remark_sentence(remarks.codes[code], billed_wh, measured_wh),
                )
                for esiid, first, last, channel, code, billed_wh, measured_wh in rows
            )


_ROWS_AT_ONCE: Final = 4096


def remark_sentence(code: str, billed_wh: int, measured_wh: int) -> str:
    """What is so of the days, with both figures where a bill differs from its intervals."""
    if code == "BILL_DIFFERS":
        return f"{REMARKS[code]} Billed {thousandths(billed_wh)} kWh, intervals {thousandths(measured_wh)} kWh."
    return REMARKS[code]


def _lines(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
