"""The demand response and load control cluster (0x0701): events for thermostats and switches, and their reports."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, IntFlag
from typing import ClassVar, Final

from adapters.sep.errors import SepDecodeError, SepValueError
from adapters.sep.fields import NO_UINT8, UINT8, UINT32, Checked, Range, from_utc_time, read, to_utc_time

__all__ = [
    "CancelAllLoadControlEvents",
    "CancelLoadControlEvent",
    "DeviceClass",
    "EventStatus",
    "LoadControlEvent",
    "ReportEventStatus",
]

_EVENT: Final = struct.Struct("<IHBIHBBBhhbBB")
_CANCEL: Final = struct.Struct("<IHBBI")
_CANCEL_ALL: Final = struct.Struct("<B")
_REPORT: Final = struct.Struct("<IBIBhhbBBB42s")
_NO_SETPOINT: Final = -0x8000
_NO_LOAD_ADJUSTMENT: Final = -0x80
_NO_SIGNATURE: Final = b"\xff" * 42
_CLUSTER: Final = 0x0701

_OFFSET = Range(0, 0xFE, optional=True)
_SETPOINT = Range(-27315, 32767, optional=True)
_LOAD_ADJUSTMENT = Range(-100, 100, optional=True)
_DUTY_CYCLE = Range(0, 100, optional=True)
_DEVICE_CLASSES = Range(1, 0x0FFF)


class DeviceClass(IntFlag):
    """The kinds of appliance that an event is for; a device of none of them passes it over."""

    HVAC = 0x0001
    STRIP_HEATER = 0x0002
    WATER_HEATER = 0x0004
    POOL_PUMP = 0x0008
    SMART_APPLIANCE = 0x0010
    IRRIGATION_PUMP = 0x0020
    MANAGED_COMMERCIAL = 0x0040
    SIMPLE_LOAD = 0x0080
    EXTERIOR_LIGHTING = 0x0100
    INTERIOR_LIGHTING = 0x0200
    ELECTRIC_VEHICLE = 0x0400
    GENERATION = 0x0800
    ALL = 0x0FFF


class EventStatus(IntEnum):
    """What a device reports of an event (facts 1.2)."""

    RECEIVED = 0x01
    STARTED = 0x02
    COMPLETED = 0x03
    OPTED_OUT = 0x04
    OPTED_IN = 0x05
    CANCELLED = 0x06
    SUPERSEDED = 0x07
    PARTIAL_OPTED_OUT = 0x08
    PARTIAL_OPTED_IN = 0x09
    NO_PARTICIPATION = 0x0A
    INVALID_CANCEL = 0xF8
    INVALID_EFFECTIVE_TIME = 0xF9
    EXPIRED = 0xFB
    UNDEFINED_EVENT = 0xFD
    REJECTED = 0xFE


@dataclass(frozen=True, slots=True)
class LoadControlEvent(Checked):
    """Ask devices of *device_class* to use less from *start* (None: now) for *duration_minutes*.

    Offsets are tenths of a degree Celsius, set points hundredths of a degree Celsius, load adjustment and duty cycle
    per cent. The device itself draws the random delay; the two flags only ask for it.
    """

    CLUSTER: ClassVar[int] = _CLUSTER
    COMMAND: ClassVar[int] = 0x00
    FROM_SERVER: ClassVar[bool] = True
    RANGES: ClassVar[dict[str, Range]] = {
        "event_id": UINT32,
        "device_class": _DEVICE_CLASSES,
        "enrollment_group": UINT8,
        "duration_minutes": Range(1, 1440),
        "criticality": Range(1, 0x0F),
        "cooling_offset": _OFFSET,
        "heating_offset": _OFFSET,
        "cooling_setpoint": _SETPOINT,
        "heating_setpoint": _SETPOINT,
        "load_adjustment": _LOAD_ADJUSTMENT,
        "duty_cycle": _DUTY_CYCLE,
    }

    event_id: int
    duration_minutes: int
    criticality: int
    device_class: int = DeviceClass.ALL
    #: 0 means every group.
    enrollment_group: int = 0
    start: datetime | None = None
    cooling_offset: int | None = None
    heating_offset: int | None = None
    cooling_setpoint: int | None = None
    heating_setpoint: int | None = None
    load_adjustment: int | None = None
    duty_cycle: int | None = None
    randomize_start: bool = False
    randomize_end: bool = False

    def __post_init__(self) -> None:
        """Raise SepValueError for what SEP 1.0 cannot carry."""
        Checked.__post_init__(self)
        to_utc_time("start", self.start)

    def payload(self) -> bytes:
        """The 23 octets after the ZCL header."""
        return _EVENT.pack(
            self.event_id,
            self.device_class,
            self.enrollment_group,
            to_utc_time("start", self.start),
            self.duration_minutes,
            self.criticality,
            _or(self.cooling_offset, NO_UINT8),
            _or(self.heating_offset, NO_UINT8),
            _or(self.cooling_setpoint, _NO_SETPOINT),
            _or(self.heating_setpoint, _NO_SETPOINT),
            _or(self.load_adjustment, _NO_LOAD_ADJUSTMENT),
            _or(self.duty_cycle, NO_UINT8),
            self.randomize_start | self.randomize_end << 1,
        )

    @classmethod
    def from_payload(cls, payload: bytes) -> LoadControlEvent:
        """Read it back. Raises SepError."""
        (event_id, device_class, group, start, duration, criticality, *changes, control) = read(_EVENT, payload)
        if control & ~0x03:
            raise SepDecodeError(f"EventControl {control:02X} sets reserved bits")
        cool, heat, cool_to, heat_to, load, duty = changes
        return cls(
            event_id=event_id,
            device_class=device_class,
            enrollment_group=group,
            start=from_utc_time(start),
            duration_minutes=duration,
            criticality=criticality,
            cooling_offset=_unless(cool, NO_UINT8),
            heating_offset=_unless(heat, NO_UINT8),
            cooling_setpoint=_unless(cool_to, _NO_SETPOINT),
            heating_setpoint=_unless(heat_to, _NO_SETPOINT),
            load_adjustment=_unless(load, _NO_LOAD_ADJUSTMENT),
            duty_cycle=_unless(duty, NO_UINT8),
            randomize_start=bool(control & 1),
            randomize_end=bool(control & 2),
        )


@dataclass(frozen=True, slots=True)
class CancelLoadControlEvent(Checked):
    """End the event *event_id* at *effective* (None: now), by its own randomisation where *randomize_end* is set.

    Class and group must be those of the event. Later revisions of SEP know no other effective time than now.
    """

    CLUSTER: ClassVar[int] = _CLUSTER
    COMMAND: ClassVar[int] = 0x01
    FROM_SERVER: ClassVar[bool] = True
    RANGES: ClassVar[dict[str, Range]] = {
        "event_id": UINT32,
        "device_class": _DEVICE_CLASSES,
        "enrollment_group": UINT8,
    }

    event_id: int
    device_class: int = DeviceClass.ALL
    enrollment_group: int = 0
    randomize_end: bool = False
    effective: datetime | None = None

    def __post_init__(self) -> None:
        """Raise SepValueError for what SEP 1.0 cannot carry."""
        Checked.__post_init__(self)
        to_utc_time("effective", self.effective)

    def payload(self) -> bytes:
        """The 12 octets after the ZCL header."""
        return _CANCEL.pack(
            self.event_id,
            self.device_class,
            self.enrollment_group,
            self.randomize_end,
            to_utc_time("effective", self.effective),
        )

    @classmethod
    def from_payload(cls, payload: bytes) -> CancelLoadControlEvent:
        """Read it back. Raises SepError."""
        event_id, device_class, group, control, effective = read(_CANCEL, payload)
        return cls(event_id, device_class, group, _randomized(control), from_utc_time(effective))


@dataclass(frozen=True, slots=True)
class CancelAllLoadControlEvents:
    """End every event on the device, whoever sent it: read and understood here, never sent by the hub."""

    CLUSTER: ClassVar[int] = _CLUSTER
    COMMAND: ClassVar[int] = 0x02
    FROM_SERVER: ClassVar[bool] = True

    randomize_end: bool = False

    def payload(self) -> bytes:
        """The one octet after the ZCL header."""
        return _CANCEL_ALL.pack(self.randomize_end)

    @classmethod
    def from_payload(cls, payload: bytes) -> CancelAllLoadControlEvents:
        """Read it back. Raises SepError."""
        (control,) = read(_CANCEL_ALL, payload)
        return cls(_randomized(control))


@dataclass(frozen=True, slots=True)
class ReportEventStatus(Checked):
    """A device tells what became of the event *event_id* at *at*, unsigned (SignatureType 0)."""

    CLUSTER: ClassVar[int] = _CLUSTER
    COMMAND: ClassVar[int] = 0x00
    FROM_SERVER: ClassVar[bool] = False
    RANGES: ClassVar[dict[str, Range]] = {
        "event_id": UINT32,
        "criticality": UINT8,
        "cooling_setpoint": _SETPOINT,
        "heating_setpoint": _SETPOINT,
        "load_adjustment": _LOAD_ADJUSTMENT,
        "duty_cycle": _DUTY_CYCLE,
    }

    event_id: int
    status: EventStatus
    at: datetime
    criticality: int
    cooling_setpoint: int | None = None
    heating_setpoint: int | None = None
    load_adjustment: int | None = None
    duty_cycle: int | None = None
    randomized_start: bool = False
    randomized_end: bool = False

    def __post_init__(self) -> None:
        """Raise SepValueError for what SEP 1.0 cannot carry."""
        Checked.__post_init__(self)
        if self.status not in tuple(EventStatus):
            raise SepValueError("status", self.status, "a status of facts 1.2")
        to_utc_time("at", self.at)

    def payload(self) -> bytes:
        """The 60 octets after the ZCL header."""
        return _REPORT.pack(
            self.event_id,
            self.status,
            to_utc_time("at", self.at),
            self.criticality,
            _or(self.cooling_setpoint, _NO_SETPOINT),
            _or(self.heating_setpoint, _NO_SETPOINT),
            _or(self.load_adjustment, _NO_LOAD_ADJUSTMENT),
            _or(self.duty_cycle, NO_UINT8),
            self.randomized_start | self.randomized_end << 1,
            0,
            _NO_SIGNATURE,
        )

    @classmethod
    def from_payload(cls, payload: bytes) -> ReportEventStatus:
        """Read it back. Raises SepError, also for a signed report: nothing here could check its signature."""
        if len(payload) != _REPORT.size:
            raise SepDecodeError(f"the payload has {len(payload)} octets; expected {_REPORT.size}")
        event_id, status, seconds, criticality, cool, heat, load, duty, control, kind, signature = _REPORT.unpack(
            payload
        )
        at = from_utc_time(seconds)
        if at is None:
            raise SepDecodeError("a report without its time")
        if status not in tuple(EventStatus) or control & ~0x03 or kind or signature != _NO_SIGNATURE:
            raise SepDecodeError("an unknown status, reserved bits, or a signature")
        return cls(
            event_id,
            EventStatus(status),
            at,
            criticality,
            _unless(cool, _NO_SETPOINT),
            _unless(heat, _NO_SETPOINT),
            _unless(load, _NO_LOAD_ADJUSTMENT),
            _unless(duty, NO_UINT8),
            bool(control & 1),
            bool(control & 2),
        )


def _or(value: int | None, unused: int) -> int:
    return unused if value is None else value


def _unless(value: int, unused: int) -> int | None:
    return None if value == unused else value


def _randomized(control: int) -> bool:
    if control & ~0x01:
        raise SepDecodeError(f"CancelControl {control:02X} sets reserved bits")
    return bool(control)
