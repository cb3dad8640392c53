"""Premises, meters, REP of record and occupancy from documented CSVs (U6, U8, R5)."""

import io
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import market_csv
from adapters.csv_layout import HeaderError, Layout, MarketCsvError, RowReject, read
from adapters.market_csv import (
    LAYOUTS,
    METERS,
    OCCUPANCIES,
    PREMISES,
    REPS_OF_RECORD,
    MeterRow,
    OccupancyRow,
    PremiseRow,
    RepOfRecordRow,
    layout_of,
)

PREMISE_HEADER = "ESIID,TDSP_DUNS,SERVICE_ADDRESS,CITY,STATE,ZIP,PREMISE_TYPE,STATUS\n"
PREMISE = '10443720007574303,1039940674000,"100 Example St, Apt 2",Dallas,TX,75201,RESIDENTIAL,ACTIVE\n'
REP_HEADER = "ESIID,REP_DUNS,FROM_DATE,TO_DATE\n"


def read_all(text: str | bytes, layout: Layout[Any]) -> list[Any]:
    return list(read(io.BytesIO(text if isinstance(text, bytes) else text.encode()), layout))


def test_u6_a_premise_is_read_with_its_address() -> None:
    assert read_all(PREMISE_HEADER + PREMISE, PREMISES) == [
        PremiseRow(
            *(2, "10443720007574303", "1039940674000", "100 Example St, Apt 2", "Dallas", "TX", "75201"),
            *("RESIDENTIAL", "ACTIVE"),
        )
    ]


def test_u8_a_meter_may_be_installed_and_not_yet_provisioned() -> None:
    text = "ESIID,METER_NUMBER,INSTALLED_ON,PROVISIONED_ON,REMOVED_ON\n1,104137265LG,2026-02-03,,\n"
    (meter,) = read_all(text, METERS)
    assert meter == MeterRow(2, "1", "104137265LG", date(2026, 2, 3), None, None, None, None, None, None, None)


def test_u8_a_meter_exchange_is_two_rows_with_optional_attributes() -> None:
    text = (
        "METER_NUMBER,ESIID,INSTALLED_ON,PROVISIONED_ON,REMOVED_ON,FIRMWARE_VERSION,HAN_MAC_ADDRESS,MANUFACTURER,MODEL,"
        "HAN_PROFILE\n"
        "A1,1,2024-02-03,2024-03-01,2026-05-05,,,,,\n"
        "B2,1,2026-05-05,2026-05-05,,2.08.11,000781000001A2B3,Landis+Gyr,FOCUS AX-SD,SEP 1.0\n"
    )
    old, new = read_all(text, METERS)
    assert (old.meter_number, old.removed_on, old.firmware_version) == ("A1", date(2026, 5, 5), None)
    assert (new.firmware_version, new.han_mac_address, new.manufacturer, new.model, new.han_profile) == (
        *("2.08.11", "000781000001A2B3", "Landis+Gyr", "FOCUS AX-SD", "SEP 1.0"),
    )


def test_u6_rep_of_record_and_occupancy_are_ranges_that_may_be_open() -> None:
    assert read_all(REP_HEADER + "1,111111111,2026-04-01,2026-09-30\n1,007929441,2026-10-01,\n", REPS_OF_RECORD) == [
        RepOfRecordRow(2, "1", "111111111", date(2026, 4, 1), date(2026, 9, 30)),
        RepOfRecordRow(3, "1", "007929441", date(2026, 10, 1), None),
    ]
    assert read_all("ESIID,MOVE_IN_DATE\n1,2025-06-15\n", OCCUPANCIES) == [
        OccupancyRow(2, "1", date(2025, 6, 15), None)
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("lead", ["", "\ufeff"])
def test_byte_order_mark_line_ends_blank_lines_and_a_missing_last_line_end_are_taken(lead: str, line_end: str) -> None:
    text = (lead + REP_HEADER + "\n1,111111111,2026-04-01,\n\n2, 111111111 ,2026-04-01,").replace("\n", line_end)
    assert [(row.line, row.esiid) for row in read_all(text, REPS_OF_RECORD)] == [(3, "1"), (5, "2")]


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("ESIID,REP_DUNS\n", "missing: 'FROM_DATE'"),
        ("ESIID,REP_DUNS,FROM_DATE,TODATE\n", "not known: 'TODATE'"),
        ("ESIID,REP_DUNS,FROM_DATE,FROM_DATE\n", "twice: 'FROM_DATE'"),
        ("esiid,rep_duns,from_date\n", "missing"),
        ("", "missing"),
        ('"ESIID\n', "line 1"),
    ],
)
def test_a_header_that_is_not_the_layouts_is_an_error_that_names_the_columns(header: str, what: str) -> None:
    with pytest.raises(HeaderError, match=what):
        read_all(header + "1,111111111,2026-04-01,\n", REPS_OF_RECORD)


def test_a_header_that_is_not_text_is_an_error() -> None:
    with pytest.raises(MarketCsvError, match="UTF-8"):
        read_all(b"\xff\xfe\x00", PREMISES)


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (",111111111,2026-04-01,", "ESIID", "MISSING_VALUE"),
        ("1 2,111111111,2026-04-01,", "ESIID", "BAD_VALUE"),
        ("1,11111111,2026-04-01,", "REP_DUNS", "BAD_VALUE"),
        ("1,١١١١١١١١١,2026-04-01,", "REP_DUNS", "BAD_VALUE"),
        ("1,111111111,04/01/2026,", "FROM_DATE", "BAD_VALUE"),
        ("1,111111111,20260401,", "FROM_DATE", "BAD_VALUE"),
        ("1,111111111,2026-02-30,", "FROM_DATE", "BAD_VALUE"),
        ("1,111111111,,", "FROM_DATE", "MISSING_VALUE"),
        ("1,111111111,2026-04-01,2026-03-31", "TO_DATE", "DATE_ORDER"),
        ("1,111111111,2026-04-01", None, "ROW_LENGTH"),
        ("1,111111111,2026-04-01,,x", None, "ROW_LENGTH"),
        ('1,"111111111,2026-04-01,', None, "ROW_TEXT"),
        ("1," + "1" * 20_000 + ",2026-04-01,", None, "ROW_TEXT"),
    ],
)
def test_u4_a_bad_row_is_named_and_loses_no_good_one(row: str, column: str | None, code: str) -> None:
    good = "9,111111111,2026-04-01,\n"
    first, reject, last = read_all(REP_HEADER + good + row + "\n" + good, REPS_OF_RECORD)
    assert isinstance(reject, RowReject)
    assert (reject.line, reject.column, reject.code) == (3, column, code)
    assert (first.line, last.line) == (2, 4)


def test_u4_a_row_in_an_encoding_that_cannot_be_known_is_named() -> None:
    mac_roman = PREMISE.encode().replace(b"Dallas", b"D\x8ellas")
    items = read_all(PREMISE_HEADER.encode() + mac_roman + PREMISE.encode(), PREMISES)
    assert (items[0].line, items[0].code, items[1].line) == (2, "ROW_TEXT", 3)
    assert "CSV UTF-8" in items[0].reason


def test_u6_letters_in_latin_1_are_read() -> None:
    (item,) = read_all(PREMISE_HEADER.encode() + PREMISE.encode().replace(b"Dallas", b"D\xe9llas"), PREMISES)
    assert item.city == "Déllas"


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("TX", "Texas", "STATE"),
        ("75201", "7520", "ZIP"),
        ("RESIDENTIAL", "HOUSE", "PREMISE_TYPE"),
        ("ACTIVE", "active", "STATUS"),
        ("Dallas", "D" * 101, "CITY"),
        ("Dallas", "D\x07", "CITY"),
    ],
)
def test_a_bad_premise_says_which_column_and_repeats_no_address(old: str, new: str, column: str) -> None:
    (reject,) = read_all(PREMISE_HEADER + PREMISE.replace(old, new), PREMISES)
    assert (reject.esiid, reject.column, reject.code) == ("10443720007574303", column, "BAD_VALUE")
    assert "Example" not in reject.reason
    assert new not in reject.reason


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_column_is_documented_and_a_header_tells_its_layout(layout: Layout[Any]) -> None:
    for column in layout.columns:
        assert f"| `{column.name}`" in (market_csv.__doc__ or "")
    assert layout_of(",".join(column.name for column in reversed(layout.columns))) is layout


def test_an_unknown_header_has_no_layout() -> None:
    assert layout_of("ESIID,SOMETHING") is None


@settings(deadline=None, max_examples=100)
@given(st.permutations(["ESIID", "REP_DUNS", "FROM_DATE", "TO_DATE"]), st.dates(), st.none() | st.dates())
def test_columns_may_stand_in_any_order(names: list[str], begin: date, end: date | None) -> None:
    cells = {"ESIID": "7", "REP_DUNS": "007929441", "FROM_DATE": str(begin), "TO_DATE": str(end or "")}
    text = ",".join(names) + "\n" + ",".join(cells[name] for name in names) + "\n"
    (item,) = read_all(text, REPS_OF_RECORD)
    if end is not None and end < begin:
        assert item.code == "DATE_ORDER"
    else:
        assert item == RepOfRecordRow(2, "7", "007929441", begin, end)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=500))
def test_no_bytes_whatever_raise_anything_after_the_header(noise: bytes) -> None:
    for item in read_all(REP_HEADER.encode() + noise, REPS_OF_RECORD):
        assert isinstance(item, RepOfRecordRow | RowReject)
