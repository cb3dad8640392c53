"""The price cluster (0x0700): what energy costs, from when and for how long."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from adapters.sep.errors import SepDecodeError, SepValueError
from adapters.sep.fields import NO_UINT8, UINT32, Checked, Range, from_utc_time, read, read_string, string, to_utc_time

__all__ = ["LONGEST_RATE_LABEL", "PublishPrice"]

#: Octets: sources differ whether the field's 12 include the length octet, so the safe reading stands (facts 1.3).
LONGEST_RATE_LABEL: Final = 11

_PROVIDER: Final = struct.Struct("<I")
_REST: Final = struct.Struct("<IIBHBBIHIBIB")
_UNTIL_CHANGED: Final = 0xFFFF
_NO_UINT32: Final = 0xFFFFFFFF

_TIER = Range(0, 6)
_RATIO = Range(1, 0xFE, optional=True)


@dataclass(frozen=True, slots=True)
class PublishPrice(Checked):
    """*price* / 10**trailing_digits of *currency* a unit, from *start* (None: now) for *duration_minutes*.

    *duration_minutes* None: until another one comes. *currency* is the ISO 4217 number, *unit_of_measure* 0 is kWh,
    the ratios are tenths of the usual price. The meter writes the current time when it sends; until then it is None.
    A client keeps the present and the next price; of two that overlap, the higher *event_id* wins. The fields of
    alternate cost, optional in SEP 1.0, are left out.
    """

    CLUSTER: ClassVar[int] = 0x0700
    COMMAND: ClassVar[int] = 0x00
    FROM_SERVER: ClassVar[bool] = True
    RANGES: ClassVar[dict[str, Range]] = {
        "provider_id": UINT32,
        "event_id": UINT32,
        "unit_of_measure": Range(0, 0x7F),
        "currency": Range(0, 999),
        "trailing_digits": Range(0, 15),
        "tier": _TIER,
        "tiers": _TIER,
        "register_tier": _TIER,
        "duration_minutes": Range(1, 0xFFFE, optional=True),
        "price": UINT32,
        "price_ratio": _RATIO,
        "generation_price": Range(0, _NO_UINT32 - 1, optional=True),
        "generation_price_ratio": _RATIO,
    }

    provider_id: int
    event_id: int
    price: int
    trailing_digits: int
    rate_label: str = ""
    unit_of_measure: int = 0
    currency: int = 840
    tier: int = 0
    tiers: int = 0
    register_tier: int = 0
    start: datetime | None = None
    duration_minutes: int | None = None
    price_ratio: int | None = None
    generation_price: int | None = None
    generation_price_ratio: int | None = None
    current: datetime | None = None

    def __post_init__(self) -> None:
        """Raise SepValueError for what SEP 1.0 cannot carry."""
        Checked.__post_init__(self)
        if self.register_tier > self.tiers:
            raise SepValueError("register_tier", self.register_tier, f"at most the number of tiers, {self.tiers}")
        string("rate_label", self.rate_label, LONGEST_RATE_LABEL)
        to_utc_time("start", self.start)
        to_utc_time("current", self.current)

    def payload(self) -> bytes:
        """The octets after the ZCL header: 33 and the label with its length octet."""
        rest = _REST.pack(
            self.event_id,
            to_utc_time("current", self.current),
            self.unit_of_measure,
            self.currency,
            self.trailing_digits << 4 | self.tier,
            self.tiers << 4 | self.register_tier,
            to_utc_time("start", self.start),
            _UNTIL_CHANGED if self.duration_minutes is None else self.duration_minutes,
            self.price,
            NO_UINT8 if self.price_ratio is None else self.price_ratio,
            _NO_UINT32 if self.generation_price is None else self.generation_price,
            NO_UINT8 if self.generation_price_ratio is None else self.generation_price_ratio,
        )
        return _PROVIDER.pack(self.provider_id) + string("rate_label", self.rate_label, LONGEST_RATE_LABEL) + rest

    @classmethod
    def from_payload(cls, payload: bytes) -> PublishPrice:
        """Read it back. Raises SepError, also for the longer forms of later revisions."""
        (provider_id,) = read(_PROVIDER, payload[: _PROVIDER.size])
        label, at = read_string(payload, _PROVIDER.size)
        if at - _PROVIDER.size - 1 > LONGEST_RATE_LABEL:
            raise SepDecodeError("the rate label is too long")
        (
            event_id,
            current,
            unit,
            currency,
            digits_tier,
            tiers,
            start,
            duration,
            price,
            ratio,
            generation,
            its_ratio,
        ) = read(_REST, payload[at:])
        return cls(
            provider_id=provider_id,
            event_id=event_id,
            price=price,
            trailing_digits=digits_tier >> 4,
            rate_label=label,
            unit_of_measure=unit,
            currency=currency,
            tier=digits_tier & 0x0F,
            tiers=tiers >> 4,
            register_tier=tiers & 0x0F,
            start=from_utc_time(start),
            duration_minutes=None if duration == _UNTIL_CHANGED else duration,
            price_ratio=None if ratio == NO_UINT8 else ratio,
            generation_price=None if generation == _NO_UINT32 else generation,
            generation_price_ratio=None if its_ratio == NO_UINT8 else its_ratio,
            current=from_utc_time(current),
        )
