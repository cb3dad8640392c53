"""Interval CSV made in deflate in passing holds the same text (R2, R7), whatever the days (RFC 1951)."""

from __future__ import annotations

import io
import zipfile
import zlib
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.central_day import intervals_in
from adapters.deflate_code import Deflated, Literal, Match, Varying, block_code, plain_of
from adapters.interval_csv import IntervalDay, Profile, render, render_deflated
from adapters.packing import pack

LOADED = datetime(2026, 5, 7, 12, 40, 29, tzinfo=UTC)
PROFILES: list[Profile] = ["smt", "standard"]


def a_day(
    day: date, *, esiid: str = "10443720007574303", channel: int = 4, statuses: bytes | None = None, most: int = 9_999
) -> IntervalDay:
    count = intervals_in(day)
    values = np.random.default_rng(day.toordinal()).integers(0, most + 1, count, dtype="<i4")
    return IntervalDay(esiid, channel, day, LOADED + timedelta(hours=day.day), values.tobytes(), statuses)


def inflated(pieces: list[bytes | Deflated]) -> bytes:
    """The text as a decoder of its own reads it out of the zip, its checksum compared."""
    out = io.BytesIO()
    pack(pieces, "IntervalMeterUsage.CSV", LOADED, out)
    with zipfile.ZipFile(out) as archive:
        return archive.read("IntervalMeterUsage.CSV")


def coded(pieces: list[bytes | Deflated]) -> int:
    return sum(len(piece.plain) for piece in pieces if isinstance(piece, Deflated))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("channel", [1, 4])
@pytest.mark.parametrize("digits", [1, 10, 17, 22, 64])
@pytest.mark.parametrize("first", [date(2026, 1, 5), date(2026, 7, 4)], ids=["winter", "summer"])
def test_days_of_one_shape_are_coded_and_read_back(profile: Profile, channel: int, digits: int, first: date) -> None:
    esiid = "10443720007574303" * 4
    days = [a_day(first + timedelta(days=n), esiid=esiid[:digits], channel=channel) for n in range(9)]
    pieces = list(render_deflated(days, profile))
    plain = b"".join(render(days, profile))
    assert b"".join(map(plain_of, pieces)) == plain
    assert inflated(pieces) == plain
    # all but the first day, which the others look back to
    assert coded(pieces) * 9 == len(plain) * 8


@pytest.mark.parametrize("profile", PROFILES)
def test_every_usage_below_ten_kwh_has_its_code(profile: Profile) -> None:
    first = date(2026, 6, 1)
    values = np.arange(105 * 96, dtype="<i4").reshape(105, 96) % 10_000
    days = [
        a_day(first + timedelta(days=n % 60))._replace(esiid=f"10443720{n:09}", values=row.tobytes())
        for n, row in enumerate(values)
    ]
    pieces = list(render_deflated(days, profile))
    assert inflated(pieces) == b"".join(render(days, profile))
    assert coded(pieces) > 0


@pytest.mark.parametrize("profile", PROFILES)
def test_it_packs_as_well_as_searching(profile: Profile) -> None:
    rng = np.random.default_rng(7)
    days = [
        a_day(date(2026, 1, 1) + timedelta(days=n % 31))._replace(
            esiid=f"10443720{n // 31:09}", values=np.minimum(rng.gamma(1.2, 250, 96), 9_900).astype("<i4").tobytes()
        )
        for n in range(310)
    ]
    searched, known = io.BytesIO(), io.BytesIO()
    pack(render(days, profile), "a.CSV", LOADED, searched)
    pack(render_deflated(days, profile), "a.CSV", LOADED, known)
    assert len(known.getvalue()) < 1.05 * len(searched.getvalue())


@st.composite
def runs_of_days(draw: st.DrawFn) -> list[IntervalDay]:
    """Runs of days over changes of the clock, homes and channels, with now and then what cannot be coded."""
    days: list[IntervalDay] = []
    for _ in range(draw(st.integers(0, 4))):
        first = draw(st.sampled_from([date(2026, 3, 4), date(2025, 10, 30), date(2026, 1, 1), date(2025, 12, 29)]))
        esiid = draw(st.sampled_from(["10443720007574303", "1008901012345678", "10443720007574304", "SOLAR7"]))
        channel = draw(st.sampled_from([1, 4]))
        for n in range(draw(st.integers(1, 12))):
            day = first + timedelta(days=n)
            odd = draw(st.sampled_from([*[None] * 7, "large", b"A", b"E", b"M", "first", "last"]))
            count = intervals_in(day)
            letters = odd * count if isinstance(odd, bytes) else None
            if odd in ("first", "last"):
                letters = (b"E" + b"A" * (count - 1))[:: 1 if odd == "first" else -1]
            most = 30_000_000 if odd == "large" else draw(st.sampled_from([0, 9, 9_999]))
            days.append(a_day(day, esiid=esiid, channel=channel, statuses=letters, most=most))
    return days


@settings(max_examples=60, deadline=None)
@given(runs_of_days(), st.sampled_from(PROFILES))
def test_any_days_are_read_back_as_they_are_rendered(days: list[IntervalDay], profile: Profile) -> None:
    pieces = list(render_deflated(days, profile))
    assert inflated(pieces) == b"".join(render(days, profile))


@given(
    st.integers(3, 257),
    st.integers(300, 32_768),
    st.text(st.sampled_from("abcdefgh,;:/ "), min_size=1, max_size=12),
    st.integers(1, 6),
)
def test_a_block_of_any_match_is_read_back(length: int, distance: int, words: str, digits: int) -> None:
    """Every symbol of lengths and distances of RFC 1951, 3.2.5, as zlib understands them."""
    line = [*(Literal(character) for character in words), *(Varying(n) for n in range(digits)), Match(length, distance)]
    try:
        code = block_code([line])
    except ValueError:
        # no length left to vary: a digit keeps its four bits
        return
    (bits, columns) = code.lines[0]
    assert len(bits) % 8 == 0
    assert columns == tuple(range(digits))
    number = "9876543210"[:digits]
    for digit in number:
        bits = bits.replace("dddd", code.digits[int(digit)], 1)
    packed = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    before = bytes(np.random.default_rng(length).integers(97, 123, distance, dtype=np.uint8))
    decoder = zlib.decompressobj(-15, zdict=before)
    text = decoder.decompress(code.head + packed + code.tail)
    own = words.encode() + number.encode()
    assert text == own + (before + own)[len(own) : len(own) + length]


def test_the_longest_day_of_the_longest_esiid_is_within_reach() -> None:
    """A match reaches 32,768 characters back: a day of 100 intervals of the widest lines must fit."""
    days = [a_day(date(2025, 11, 2), esiid="7" * 64, channel=1)._replace(revised=LOADED) for _ in range(6)]
    pieces = list(render_deflated(days, "standard"))
    assert inflated(pieces) == b"".join(render(days, "standard"))
    assert coded(pieces) > 0
