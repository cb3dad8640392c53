"""Encoding and decoding of SEP 1.0 frames (H4): published frames to the octet, ranges, and round trips."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sep import (
    CLUSTERS,
    LONGEST_RATE_LABEL,
    CancelAllLoadControlEvents,
    CancelLoadControlEvent,
    CancelMessage,
    DisplayMessage,
    EventStatus,
    Frame,
    Importance,
    LoadControlEvent,
    MessageConfirmation,
    PublishPrice,
    ReportEventStatus,
    SepDecodeError,
    SepError,
    SepValueError,
    decode,
    encode,
)

AT_8PM = datetime(2011, 8, 3, 20, tzinfo=UTC)
TEXT = DisplayMessage(
    0xC8A1,
    "Peak day: please conserve 3-7pm",
    importance=Importance.HIGH,
    confirmation_required=True,
    duration_minutes=120,
)
EVENT = LoadControlEvent(
    0xC8A2,
    120,
    2,
    device_class=0x0005,
    start=AT_8PM,
    cooling_offset=20,
    load_adjustment=-20,
    randomize_start=True,
    randomize_end=True,
)
PRICE = PublishPrice(
    123456789,
    0xC8A3,
    1875,
    4,
    rate_label="ONPEAK",
    tier=3,
    tiers=3,
    register_tier=3,
    start=AT_8PM,
    duration_minutes=240,
    current=datetime(2011, 8, 3, 19, 45, tzinfo=UTC),
)
REPORT = ReportEventStatus(0xC8A2, EventStatus.STARTED, AT_8PM, 2, load_adjustment=-20)
#: Frames worked out twice from the field tables, with two libraries (facts 1.4), and, last, two that others published.
GOLDEN = [
    (0x2A, TEXT, "092A00 A1C80000 88 00000000 7800 1F 5065616B206461793A20706C6561736520636F6E736572766520332D37706D"),
    (0x2B, CancelMessage(0xC8A1), "092B01 A1C80000 00"),
    (0x2C, EVENT, "092C00 A2C80000 0500 00 4065CC15 7800 02 14 FF 0080 0080 EC FF 03"),
    (0x2D, CancelLoadControlEvent(0xC8A2, 0x0005, randomize_end=True), "092D01 A2C80000 0500 00 01 00000000"),
    (0x2E, CancelAllLoadControlEvents(), "092E02 00"),
    (
        0x2F,
        PRICE,
        "092F00 15CD5B07 06 4F4E5045414B A3C80000 BC61CC15 00 4803 43 33 4065CC15 F000 53070000 FF FFFFFFFF FF",
    ),
    (
        1,
        LoadControlEvent(0x12345678, 1, 4, device_class=0x14),
        "090100 78563412 1400 00 00000000 0100 04 FF FF 0080 0080 80 FF 00",
    ),
    (
        0,
        LoadControlEvent(
            0x80, 0x30, 1, start=datetime(2000, 1, 1, 2, 46, 40, tzinfo=UTC), load_adjustment=0x2A, duty_cycle=0x32,
            randomize_end=True,
        ),
        "090000 80000000 FF0F 00 10270000 3000 01 FF FF 0080 0080 2A 32 02",
    ),
    (7, MessageConfirmation(0xC8A1, AT_8PM), "010701 A1C80000 4065CC15"),
    (8, REPORT, "010800 A2C80000 02 4065CC15 02 0080 0080 EC FF 00 00" + "FF" * 42),
]  # fmt: skip


@pytest.mark.parametrize(("sequence", "message", "text"), GOLDEN)
def test_published_frames_to_the_octet(sequence, message, text):
    frame = bytes.fromhex(text)
    assert encode(message, sequence=sequence) == frame
    assert decode(message.CLUSTER, frame) == Frame(sequence, message)
    assert message.CLUSTER in CLUSTERS


@pytest.mark.parametrize(("sequence", "message", "text"), GOLDEN)
def test_a_frame_that_is_cut_lengthened_or_of_another_cluster_is_refused(sequence, message, text):
    frame = bytes.fromhex(text)
    for length in range(len(frame)):
        with pytest.raises(SepError):
            decode(message.CLUSTER, frame[:length])
    with pytest.raises(SepError):
        decode(message.CLUSTER, frame + b"\x00")
    with pytest.raises(SepDecodeError):
        decode(0x0702, frame)
    for other in {0x0700, 0x0701, 0x0703} - {message.CLUSTER}:
        try:
            read = decode(other, frame).message
        except SepError:
            continue
        assert type(read) is not type(message)


@pytest.mark.parametrize("control", [0x00, 0x08, 0x0D, 0x0B, 0x29, 0x01, 0xFF])
def test_a_display_message_needs_the_frame_control_of_a_server_command(control):
    frame = bytearray(encode(TEXT))
    frame[0] = control
    with pytest.raises(SepError):
        decode(TEXT.CLUSTER, bytes(frame))


def test_a_frame_without_default_response_means_the_same():
    frame = bytearray(encode(TEXT))
    frame[0] |= 0x10
    assert decode(TEXT.CLUSTER, bytes(frame)).message == TEXT


SAMPLES = [TEXT, CancelMessage(1), MessageConfirmation(1, AT_8PM), EVENT, CancelLoadControlEvent(1), PRICE, REPORT]


@pytest.mark.parametrize(
    ("sample", "field", "allowed"), [(sample, *item) for sample in SAMPLES for item in sample.RANGES.items()]
)
def test_every_ranged_field_at_its_ends_and_one_past_them(sample, field, allowed):
    room = {"tiers": 6} if field == "register_tier" else {"register_tier": 0} if field == "tiers" else {}
    for value in {allowed.least, allowed.most} | ({None} if allowed.optional else set()):
        good = replace(sample, **room, **{field: value})
        assert decode(good.CLUSTER, encode(good)).message == good
    for value in {allowed.least - 1, allowed.most + 1, True, "1"} | (set() if allowed.optional else {None}):
        with pytest.raises(SepValueError) as refused:
            replace(sample, **room, **{field: value})
        assert refused.value.field == field
        assert str(allowed.least) in refused.value.expected


def test_every_integer_field_has_a_range():
    for sample in SAMPLES:
        whole = {field.name for field in fields(sample) if field.type in {"int", "int | None"}}
        assert whole == set(sample.RANGES), type(sample)


@pytest.mark.parametrize("duration", [0, 1441])
def test_load_control_lasts_1_to_1440_minutes(duration):
    with pytest.raises(SepValueError, match="duration_minutes"):
        replace(EVENT, duration_minutes=duration)
    frame = bytearray(encode(EVENT))
    frame[14:16] = duration.to_bytes(2, "little")
    with pytest.raises(SepValueError):
        decode(EVENT.CLUSTER, bytes(frame))


def test_a_register_tier_is_one_of_the_tiers():
    with pytest.raises(SepValueError, match="register_tier"):
        replace(PRICE, tiers=2, register_tier=3)


@pytest.mark.parametrize(
    ("sample", "place", "bits"),
    [
        (TEXT, 7, 0x73),
        (EVENT, -1, 0xFC),
        (EVENT, 8, 0xF0),
        (CancelMessage(1), -1, 0xFF),
        (CancelLoadControlEvent(1), 10, 0xFE),
        (CancelAllLoadControlEvents(), -1, 0xFE),
        (REPORT, 19, 0xFC),
        (REPORT, 20, 0xFF),
        (REPORT, -1, 0xFF),
    ],
)
def test_reserved_bits_are_refused(sample, place, bits):
    for bit in (1 << number for number in range(8) if bits >> number & 1):
        frame = bytearray(encode(sample))
        frame[place] ^= bit
        with pytest.raises(SepError):
            decode(sample.CLUSTER, bytes(frame))


def test_an_unknown_event_status_is_refused():
    for code in set(range(256)) - {status.value for status in EventStatus}:
        frame = bytearray(encode(REPORT))
        frame[7] = code
        with pytest.raises(SepDecodeError):
            decode(REPORT.CLUSTER, bytes(frame))


def test_the_length_octet_of_a_text_counts_octets_not_characters():
    message = DisplayMessage(1, "Café ñandú")
    frame = encode(message)
    assert frame[14] == len("Café ñandú".encode()) == 13
    assert decode(0x0703, frame).message == message


def test_a_text_that_ends_inside_a_character_is_refused_and_never_cut():
    octets = b"a" * 58 + "é".encode()[:1]
    assert len(octets) == 59
    frame = encode(DisplayMessage(1, "x"))[:-2] + bytes((59,)) + octets
    with pytest.raises(SepDecodeError, match="inside a character"):
        decode(0x0703, frame)
    whole = DisplayMessage(1, "a" * 58 + "é")
    assert decode(0x0703, encode(whole)).message == whole


@pytest.mark.parametrize("text", ["", "é" * 127 + "a", "\ud800"])
def test_a_text_that_no_string_can_hold_is_refused(text):
    with pytest.raises(SepValueError, match="text"):
        DisplayMessage(1, text)
    assert len(encode(DisplayMessage(1, "é" * 127))) == 15 + 254


def test_a_rate_label_has_at_most_11_octets_of_utf_8():
    good = replace(PRICE, rate_label="á" * 5 + "a")
    assert decode(good.CLUSTER, encode(good)).message == good
    for label in ("á" * 6, "a" * (LONGEST_RATE_LABEL + 1)):
        with pytest.raises(SepValueError, match="rate_label"):
            replace(PRICE, rate_label=label)
    frame = encode(good)
    longer = frame[:7] + bytes((12,)) + b"a" * 12 + frame[7 + 1 + 11 :]
    with pytest.raises(SepDecodeError):
        decode(good.CLUSTER, longer)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1),
        datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=0xFFFFFFFF),
    ],
)
def test_a_moment_that_utc_time_cannot_say_is_refused(moment):
    for sample, field in (
        (TEXT, "start"),
        (EVENT, "start"),
        (PRICE, "start"),
        (PRICE, "current"),
        (REPORT, "at"),
        (CancelLoadControlEvent(1), "effective"),
    ):
        with pytest.raises(SepValueError, match=field):
            replace(sample, **{field: moment})


def test_a_moment_is_the_same_in_every_time_zone_and_the_invalid_one_is_refused():
    there = AT_8PM.astimezone(timezone(timedelta(hours=-5)))
    assert encode(replace(EVENT, start=there)) == encode(EVENT)
    frame = bytearray(encode(EVENT))
    frame[10:14] = b"\xff" * 4
    with pytest.raises(SepDecodeError, match="time"):
        decode(EVENT.CLUSTER, bytes(frame))
    for sample in (MessageConfirmation(1, AT_8PM), REPORT):
        timeless = encode(sample).replace(bytes.fromhex("4065CC15"), bytes(4))
        with pytest.raises(SepDecodeError, match="time"):
            decode(sample.CLUSTER, timeless)


def _integers(allowed):
    values = st.integers(allowed.least, allowed.most)
    return values | st.none() if allowed.optional else values


_MOMENTS = st.integers(1, 0xFFFFFFFE).map(lambda seconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: len(text.encode()) <= 254)
_OTHERS = {
    "text": _TEXTS,
    "rate_label": st.text("aé€", max_size=3),
    "importance": st.sampled_from(Importance),
    "status": st.sampled_from(EventStatus),
    "at": _MOMENTS,
    "confirmed": _MOMENTS,
    "datetime | None": _MOMENTS | st.none(),
    "bool": st.booleans(),
}


@st.composite
def _messages(draw):
    kind = draw(st.sampled_from([type(sample) for sample in SAMPLES] + [CancelAllLoadControlEvents]))
    ranges = getattr(kind, "RANGES", {})
    values = {}
    for field in fields(kind):
        if field.name in ranges:
            values[field.name] = draw(_integers(ranges[field.name]))
        else:
            values[field.name] = draw(_OTHERS[field.name if field.name in _OTHERS else field.type])
    if kind is PublishPrice:
        values["register_tier"] = min(values["register_tier"], values["tiers"])
    return kind(**values)


@given(_messages(), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_decoding_undoes_encoding(message, sequence):
    frame = encode(message, sequence=sequence)
    assert decode(message.CLUSTER, frame) == Frame(sequence, message)


@given(
    st.sampled_from(sorted(CLUSTERS)), st.sampled_from([b"\x09", b"\x01"]), st.integers(0, 3), st.binary(max_size=70)
)
@settings(max_examples=200, deadline=None)
def test_whatever_can_be_decoded_encodes_to_the_same_octets_and_the_rest_is_refused(cluster, control, command, rest):
    frame = control + b"\x00" + bytes((command,)) + rest
    try:
        message = decode(cluster, frame).message
    except SepError:
        return
    assert encode(message) == frame
