"""R7: results are zipped, one plainly named file in each zip; TDSP files are unzipped within bounds."""

import hashlib
import io
import shutil
import struct
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.packing import (
    NotOneMemberError,
    PackingError,
    UnreadableZipError,
    UnsupportedZipError,
    UnusableMemberNameError,
    ZipTooLargeError,
    ZipWriter,
    open_member,
    pack,
)

MOMENT = datetime(2026, 11, 22, 4, 15, 1, tzinfo=UTC)
ROWS = b"".join(b"1044372000%07d,01/02/2026,00:15,0.123,A\r\n" % row for row in range(40_000))


def packed(content: bytes, name: str = "IntervalMeterUsage.CSV") -> bytes:
    out = io.BytesIO()
    pack([content], name, MOMENT, out)
    return out.getvalue()


def foreign(content: bytes, name: str = "a.lse", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def unpacked(raw: bytes, **limits: int) -> bytes:
    return b"".join(open_member(io.BytesIO(raw), **limits).chunks)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=3000) | st.just(ROWS[:400_000]), max_size=6))
def test_any_content_in_any_pieces_comes_back_through_the_standard_library(pieces: list[bytes]) -> None:
    out = io.BytesIO()
    result = pack(pieces, "Exceptions.CSV", MOMENT, out)
    whole = b"".join(pieces)
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["Exceptions.CSV"]
        assert archive.testzip() is None
        assert archive.read("Exceptions.CSV") == whole
        assert archive.infolist()[0].date_time == (2026, 11, 22, 4, 15, 0)
    assert (result.plain_sha256, result.plain_size) == (hashlib.sha256(whole).hexdigest(), len(whole))
    assert out.getvalue() == packed(whole, "Exceptions.CSV"), "the zip must depend on the content alone"
    assert unpacked(out.getvalue()) == whole


def test_the_zip_is_written_to_a_stream_that_cannot_seek_and_unzip_opens_it(tmp_path) -> None:
    unzip = shutil.which("unzip")
    if not unzip:
        pytest.skip("unzip is not installed")
    target = tmp_path / "a.zip"
    with target.open("wb") as sink:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=sink)
        assert child.stdin is not None
        assert not child.stdin.seekable()
        pack([ROWS], "IntervalMeterUsage.CSV", MOMENT, child.stdin)
        child.stdin.close()
        assert child.wait(180) == 0
    tested = subprocess.run([unzip, "-t", target], capture_output=True, text=True, timeout=180)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert subprocess.run([unzip, "-p", target], capture_output=True, timeout=180).stdout == ROWS


def test_the_same_part_rebuilt_is_the_same_zip_and_another_moment_is_not() -> None:
    assert packed(ROWS) == packed(ROWS)
    later = io.BytesIO()
    pack([ROWS], "IntervalMeterUsage.CSV", MOMENT + timedelta(seconds=2), later)
    assert later.getvalue() != packed(ROWS)
    in_texas = io.BytesIO()
    pack([ROWS], "IntervalMeterUsage.CSV", MOMENT.astimezone(timezone(timedelta(hours=-6))), in_texas)
    assert in_texas.getvalue() == packed(ROWS)


def test_a_moment_without_zone_or_before_1980_is_refused() -> None:
    for moment in (datetime(2026, 1, 1), datetime(1979, 12, 31, tzinfo=UTC)):
        with pytest.raises(ValueError, match=r"zone|1979"):
            ZipWriter(io.BytesIO(), "a.CSV", moment)


@pytest.mark.parametrize("name", ["", "/ab", "../b", "..", ".a", "a\\b", "C:a", "ñ.CSV", "a\nb", "x" * 256])
def test_a_member_name_that_is_no_plain_file_name_is_refused_both_ways(name: str) -> None:
    with pytest.raises(UnusableMemberNameError):
        pack([b"x"], name, MOMENT, io.BytesIO())
    good = foreign(b"x", "q" * max(1, len(name.encode())))
    bad = good.replace(b"q" * max(1, len(name.encode())), name.encode() or b"\0")
    with pytest.raises(UnusableMemberNameError):
        open_member(io.BytesIO(bad))


def test_nothing_that_opens_is_left_when_the_content_fails_half_way() -> None:
    def rows():
        yield ROWS
        raise RuntimeError("database went away")

    out = io.BytesIO()
    with pytest.raises(RuntimeError, match="went away"):
        pack(rows(), "a.CSV", MOMENT, out)
    assert not zipfile.is_zipfile(out)
    with pytest.raises(UnreadableZipError):
        open_member(out)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "content", [b"", b"x", ROWS, Random(5).randbytes(700_000)], ids=["none", "one", "rows", "noise"]
)
def test_a_zip_made_by_another_program_is_read(method: int, content: bytes) -> None:
    member = open_member(io.BytesIO(foreign(content, method=method)))
    assert member.name == "a.lse"
    assert b"".join(member.chunks) == content


def test_chunks_are_bounded_so_that_memory_is() -> None:
    chunks = open_member(io.BytesIO(foreign(bytes(20_000_000))), ratio=1100).chunks
    assert max(len(chunk) for chunk in chunks) <= 256 * 1024


def test_two_members_or_none_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("b", b"2")
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for raw in (out, empty):
        with pytest.raises(NotOneMemberError):
            open_member(raw)


def test_a_bomb_is_refused_by_its_declared_size_before_a_byte_is_inflated() -> None:
    bomb = foreign(bytes(50_000_000))
    with pytest.raises(ZipTooLargeError, match="expand"):
        open_member(io.BytesIO(bomb))
    with pytest.raises(ZipTooLargeError, match="at most 1000"):
        open_member(io.BytesIO(foreign(bytes(1001))), largest=1000)


def test_a_bomb_that_lies_about_its_size_is_stopped_at_what_it_declares() -> None:
    bomb = bytearray(foreign(bytes(50_000_000)))
    entry = bomb.rfind(b"PK\x01\x02")
    struct.pack_into("<I", bomb, entry + 24, 1000)
    chunks = open_member(io.BytesIO(bytes(bomb))).chunks
    with pytest.raises(ZipTooLargeError, match="declares"):
        next(chunks)


def test_encrypted_zip64_and_other_methods_are_refused() -> None:
    encrypted = bytearray(foreign(b"x"))
    encrypted[encrypted.rfind(b"PK\x01\x02") + 8] |= 1
    big = io.BytesIO()
    with zipfile.ZipFile(big, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(b"x")
    zip64_end = big.getvalue()
    cut = zip64_end.rfind(b"PK\x05\x06")
    zip64_end = zip64_end[:cut] + b"PK\x06\x07" + bytes(16) + zip64_end[cut:]
    for raw in (bytes(encrypted), foreign(b"x" * 99, method=zipfile.ZIP_BZIP2), zip64_end):
        with pytest.raises(UnsupportedZipError):
            open_member(io.BytesIO(raw))


def test_header_and_directory_that_name_different_files_are_refused() -> None:
    raw = foreign(ROWS, "good.lse").replace(b"good.lse", b"evil.lse", 1)
    with pytest.raises(UnreadableZipError, match="disagree"):
        open_member(io.BytesIO(raw))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 255), st.booleans())
def test_damage_is_either_harmless_or_a_named_error(where: int, value: int, cut: bool) -> None:
    content = ROWS[:3000]
    raw = bytearray(packed(content))
    where %= len(raw)
    if cut:
        del raw[where:]
    else:
        raw[where] = value
    try:
        read = unpacked(bytes(raw))
    except PackingError:
        return
    assert read == content
