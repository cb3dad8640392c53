"""Daily reads and monthly bills as CSV: every digit exact, every cell where the header says (R1, R2, R12)."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import daily_csv, monthly_csv
from adapters.daily_csv import DailyRead, thousandths
from adapters.monthly_csv import BilledPeriod

#: 23:30 on 31 October in Texas.
REVISED = datetime(2026, 11, 1, 4, 30, 15, tzinfo=UTC)


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("ascii"))))


@given(st.integers(-(2**62), 2**62))
def test_thousandths_are_exact_and_have_three_decimals(value: int) -> None:
    text = thousandths(value)
    assert Decimal(text) * 1000 == value
    assert len(text.partition(".")[2]) == 3


def test_a_read_is_written_with_its_readings_and_dates_in_central_time() -> None:
    content = b"".join(
        daily_csv.render(
            [
                DailyRead("10443720000000001", 4, date(2026, 10, 30), REVISED, 5, 1_234_567, 1_234_562, False),
                DailyRead("10443720000000001", 1, date(2026, 10, 30), REVISED, None, None, 0, True),
            ]
        )
    )
    one, two = rows(content)
    assert one == {
        "ESIID": "10443720000000001",
        "READ_DATE": "10/30/2026",
        "REVISION_DATE": "10/31/2026 23:30:15",
        "START_READING": "0.005",
        "END_READING": "1234.567",
        "USAGE_KWH": "1234.562",
        "ESTIMATED_ACTUAL": "A",
        "CONSUMPTION_SURPLUSGENERATION": "Consumption",
    }
    assert (two["START_READING"], two["END_READING"], two["USAGE_KWH"]) == ("", "", "0.000")
    assert (two["ESTIMATED_ACTUAL"], two["CONSUMPTION_SURPLUSGENERATION"]) == ("E", "Surplus Generation")


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_bill_has_its_values_and_a_cancelled_one_none(cancelled: bool) -> None:
    period = (date(2026, 9, 15), date(2026, 10, 14), date(2026, 10, 13))
    bill = BilledPeriod("1", *period, REVISED, cancelled, 1_074_000, 6_200, 7_000, None, 1)
    (row,) = rows(b"".join(monthly_csv.render([bill])))
    assert (row["ESIID"], row["START_DATE"], row["END_DATE"]) == ("1", "09/15/2026", "10/14/2026")
    assert row["REVISION_DATE"] == "10/31/2026 23:30:15"
    values = [row[name] for name in ("ACTUAL_KWH", "METERED_KW", "BILLED_KW", "METERED_KVA", "BILLED_KVA")]
    assert values == (["", "", "", "", ""] if cancelled else ["1074.000", "6.200", "7.000", "", "0.001"])


@pytest.mark.parametrize("count", [0, 1, 4096, 4097])
def test_every_chunk_ends_with_a_row_and_none_is_lost(count: int) -> None:
    read = DailyRead("1", 4, date(2026, 10, 30), REVISED, None, None, 7, False)
    chunks = list(daily_csv.render([read] * count))
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert len(rows(b"".join(chunks))) == count
