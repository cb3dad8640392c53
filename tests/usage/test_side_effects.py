"""What editors, spreadsheets, DOS and macOS do to a TDSP's files: taken alike, or named for what it is (U1, U4, U6)."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapters.csv_layout import RowReject
from adapters.lse import LseRecord
from adapters.lse_read import read
from smt_ws.usage import market
from smt_ws.usage.errors import FileKindUnknownError, FileRefusedError, FileUnreadableError
from smt_ws.usage.files import opened, proves_its_end
from smt_ws.usage.rehearsal import rehearse
from smt_ws.usage.sealed import is_sealed

ESIID = "10443720007574303"
HEADER = (
    "00000002,0,0,0,,0,,900,01,1,-1,0.0,0.0,CST\n00000003,TX1\n00000004,20261111030500,M\n"
    "00000030,ATTRIBUTE_VALUE_PAIRS,MRE=1039940674000,Sender=1039940674000,Receiver=183529049,REP=111111111\n"
)


def lse_record(day: int) -> str:
    rows = "".join(f"{10_000_000 + row},0.10,A,,0.11,A,,0.12,A,,0.13,E,,\n" for row in range(24))
    return f"00000001,{ESIID},4,202611{day:02}000000,202611{day:02}235900,Y,N\n{HEADER}{rows}"


FILES = {
    "lse": ("day.lse", "".join(lse_record(day) for day in (10, 11, 12))),
    "premises": (
        "premises.csv",
        "ESIID,TDSP_DUNS,SERVICE_ADDRESS,CITY,STATE,ZIP,PREMISE_TYPE,STATUS\n"
        + f"{ESIID},1039940674000,12 Example St,Dallas,TX,75201,RESIDENTIAL,ACTIVE\n" * 2,
    ),
    "meters": (
        "meters.csv",
        "ESIID,METER_NUMBER,INSTALLED_ON,PROVISIONED_ON\n" + f"{ESIID},104137265LG,2026-02-03,2026-03-01\n" * 2,
    ),
    "rep_of_record": (
        "reps.csv",
        "ESIID,REP_DUNS,FROM_DATE,TO_DATE\n" + f"{ESIID},111111111,2026-04-01,2026-09-30\n" * 2,
    ),
    "occupancy": (
        "occupancy.csv",
        "ESIID,MOVE_IN_DATE,MOVE_OUT_DATE\n" + f"{ESIID},2025-06-15,2026-05-31\n" * 2,
    ),
    "register_reads": (
        "reads.csv",
        "ESIID,READ_DATE,CHANNEL,START_READING,END_READING,USAGE_KWH,STATUS\n"
        + f"{ESIID},2026-11-17,4,24002.915,24038.915,36.000,A\n" * 2,
    ),
    "monthly_bills": (
        "bills.csv",
        "ESIID,START_DATE,END_DATE,ACTUAL_KWH,ACTION\n" + f"{ESIID},2026-10-12,2026-11-10,1074,ORIGINAL\n" * 2,
    ),
}


def quoted(text: str) -> str:
    return "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines())


def zipped(*members: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


#: From the file's name and text to its bytes. The name stays, but for what unpacks.
TAKEN: dict[str, Callable[[str, str], bytes]] = {
    "UTF-8 with byte-order mark": lambda _, text: text.encode("utf-8-sig"),
    "UTF-16 with byte-order mark": lambda _, text: text.encode("utf-16"),
    "UTF-16, big end first": lambda _, text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without byte-order mark": lambda _, text: text.encode("utf-16-le"),
    "quotes": lambda _, text: quoted(text).encode(),
    "CRLF": lambda _, text: text.replace("\n", "\r\n").encode(),
    "CR CR LF": lambda _, text: text.replace("\n", "\r\r\n").encode(),
    "lone CR": lambda _, text: text.replace("\n", "\r").encode(),
    "lone CR in UTF-16": lambda _, text: text.replace("\n", "\r").encode("utf-16"),
    "no last line end": lambda _, text: text.rstrip("\n").encode(),
    "blank lines at the end": lambda _, text: f"{text}\n\n   \n".encode(),
    "spaces at line ends": lambda _, text: text.replace("\n", "  \n").encode(),
    "Ctrl-Z at the end": lambda _, text: f"{text}\x1a".encode(),
    "Ctrl-Z at the end after CRLF": lambda _, text: (text.replace("\n", "\r\n") + "\x1a\r\n").encode(),
    "Ctrl-Z in place of the last line end": lambda _, text: (text.rstrip("\n") + "\x1a").encode(),
    "semicolons": lambda _, text: text.replace(",", ";").encode(),
    "tabs": lambda _, text: text.replace(",", "\t").encode(),
    "tabs in UTF-16 with CRLF": lambda _, text: text.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
    "quotes and semicolons": lambda _, text: quoted(text).replace(",", ";").encode(),
    "commas to the right": lambda _, text: text.replace("\n", ",,\n").encode(),
    "lines of commas at the end": lambda _, text: f"{text},,,\n,,,\n".encode(),
    "gzip": lambda _, text: gzip.compress(text.encode()),
    "zip": lambda name, text: zipped((name, text.encode())),
    "zip with a folder": lambda name, text: zipped(("out/", b""), (f"out/{name}", text.encode())),
    "zip by macOS": lambda name, text: zipped(
        (name, text.encode()), ("__MACOSX/", b""), (f"__MACOSX/._{name}", b"\0\5\x16\7"), (".DS_Store", b"Bud1")
    ),
    "zip by Windows": lambda name, text: zipped(("Thumbs.db", b"x"), (f"out/{name}", text.encode())),
}
#: In an LSE record an empty element has a meaning.
NOT_FOR_LSE = {"lines of commas at the end", "commas to the right"}


def contents(path: Path) -> list[Any]:
    """What the file's records are, without their lines."""
    with opened(path, market.kind_of) as file:
        if file.kind != "lse":
            return [(type(row), *_without_line(row)) for row in market.rows_of(file.stream, file.kind)]
        return [
            (record.esiid, record.channel, record.day, record.values.tolist(), record.statuses, record.rep)
            if isinstance(record, LseRecord)
            else (record.code, record.reason)
            for record in read(file.stream)
        ]


def _without_line(row: Any) -> list[Any]:
    return [getattr(row, name) for name in row.__dataclass_fields__ if name != "line"]


@pytest.mark.parametrize(
    ("kind", "effect"),
    [(kind, effect) for kind in FILES for effect in TAKEN if kind != "lse" or effect not in NOT_FOR_LSE],
)
def test_u4_what_can_be_understood_is_taken_alike(kind: str, effect: str, tmp_path: Path) -> None:
    name, text = FILES[kind]
    plain, changed = tmp_path / name, tmp_path / "changed" / name
    changed.parent.mkdir()
    plain.write_text(text, newline="")
    changed.write_bytes(TAKEN[effect](name, text))
    expected = contents(plain)
    assert len(expected) == (3 if kind == "lse" else 2)
    assert not any(one[0] is RowReject for one in expected)
    assert contents(changed) == expected


REFUSED = {
    "zip in a zip": (lambda name, data: zipped(("inner.zip", zipped((name, data)))), "zip inside a zip"),
    "gzip in a zip": (lambda name, data: zipped((name, gzip.compress(data))), "gzip file inside a zip"),
    "7-Zip": (lambda _, __: b"7z\xbc\xaf\x27\x1c\0\4", "7-Zip"),
    "bzip2": (lambda _, __: b"BZh91AY&SY", "bzip2"),
    "xlsx": (lambda _, __: zipped(("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")), "Office document"),
    "xls": (lambda _, __: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel"),
    "rich text": (lambda _, data: b"{\\rtf1\\ansi " + data, "RTF"),
    "gzip cut short": (lambda _, data: gzip.compress(data)[:-9], "gzip file is damaged or cut short"),
    "gzip that expands": (lambda _, data: gzip.compress(data + b"\n" * 4 * 1024**2), "expands to more"),
    "two files": (lambda name, data: zipped((name, data), (f"2{name}", data)), "holds 2 files"),
    "sealed in a zip": (lambda name, _: zipped((name, b"-----BEGIN PGP MESSAGE-----\n")), "zip first, then encrypt"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("effect", REFUSED)
def test_u4_what_cannot_be_understood_is_named_for_what_it_is(kind: str, effect: str, tmp_path: Path) -> None:
    name, text = FILES[kind]
    make, said = REFUSED[effect]
    path = tmp_path / name
    path.write_bytes(make(name, text.encode()))
    with pytest.raises(FileRefusedError, match=said) as refused:
        contents(path)
    assert isinstance(refused.value, FileKindUnknownError | FileUnreadableError)


@pytest.mark.parametrize("size", [1, 60])
def test_u4_an_lse_file_that_a_spreadsheet_rewrote_is_told_so(size: int, tmp_path: Path) -> None:
    path = tmp_path / "day.lse"
    day = lse_record(10).replace("00000001,10443720007574303", "1,1.04437E+16").replace("\n0000000", "\n")
    path.write_text(day * size)
    assert [item[0] for item in contents(path)] == ["NOT_A_RECORD"]
    assert "a spreadsheet has rewritten its numbers" in contents(path)[0][1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (ESIID, "1.04E+16", "a spreadsheet has rounded this number"),
        (ESIID, "1,04E+16", "values; the header has"),
        ("2026-11-17", "11/17/2026", "a spreadsheet has rewritten this date"),
        ("2026-11-17", "17.11.2026", "a spreadsheet has rewritten this date"),
        ("24002.915", '"24,002.915"', "a decimal point and no other sign"),
    ],
)
def test_u4_a_value_that_a_spreadsheet_rewrote_is_told_so(old: str, new: str, said: str, tmp_path: Path) -> None:
    name, text = FILES["register_reads"]
    path = tmp_path / name
    path.write_text(text.replace(old, new, 1))
    rejected, good = contents(path)
    assert rejected[0] is RowReject
    assert said in rejected[-1]
    assert good[0] is not RowReject


@pytest.mark.parametrize("change", [quoted, lambda text: text.replace(",", ";"), lambda text: text.replace("\n", "\r")])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_u4_a_record_in_another_form_costs_its_neighbours_nothing(
    change: Callable[[str], str], at: int, tmp_path: Path
) -> None:
    plain, mixed = tmp_path / "plain.lse", tmp_path / "mixed.lse"
    days = [lse_record(day) for day in (10, 11, 12)]
    plain.write_text("".join(days), newline="")
    days[at] = change(days[at])
    mixed.write_text("".join(days), newline="")
    assert contents(mixed) == contents(plain)


def test_k3_a_tdsp_is_told_the_same_before_it_sends_a_file(tmp_path: Path) -> None:
    path = tmp_path / "1039940674000day.lse"
    path.write_text(quoted(lse_record(10)), encoding="utf-16")
    found = rehearse(path, today=date(2026, 11, 20))
    assert (found.records, found.rejected) == (1, 0)


def test_an_ordinary_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "day.lse"
    path.write_text(lse_record(10))
    with opened(path, market.kind_of) as file:
        assert isinstance(file.stream.raw, io.FileIO)


def test_a_gzip_file_proves_its_end(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.lse", tmp_path / "a.lse.gz"
    plain.write_text(lse_record(10))
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert (proves_its_end(plain), proves_its_end(packed)) == (False, True)


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n\r\n", b"\n \n", b"\xef\xbb\xbf\r\n"])
def test_u2_a_message_is_known_by_its_armour_whatever_is_before_it(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "usage"
    path.write_bytes(before + b"-----BEGIN PGP MESSAGE-----\r\n\r\n")
    assert is_sealed(path)
