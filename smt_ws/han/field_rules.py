"""What every field of a message may hold (H4): one table, in the units people send and in those of SEP 1.0.

Degrees are Celsius everywhere. What is sent is converted without loss or refused; nothing is rounded. Source: ZigBee
Smart Energy Profile 1.0; where its readings differ, the narrower one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from smt_ws.han.rules import Refusal

__all__ = [
    "FIELDS",
    "PRIORITIES",
    "UNTIL_CHANGED",
    "Field",
    "Fields",
    "Schedule",
    "check_load_control",
    "check_price",
    "check_schedule",
    "check_text",
]

Fields = dict[str, int | str | bool | None]

#: How pressing a text is: SEP's importance, by name.
PRIORITIES: Final = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
#: The duration that SEP keeps for "until another one comes": left out on the wire.
UNTIL_CHANGED: Final = 0xFFFF
_LONGEST_LABEL: Final = 11
_MOST_TRAILING_DIGITS: Final = 15
_LARGEST_PRICE: Final = 2**32 - 1
#: Clocks differ, and a request takes its time.
_PRESENT: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Field:
    """A number of a message: *element* on the wire, *key* in the store, and its range in steps of 10^-*decimals*."""

    element: str
    key: str
    code: str
    low: int
    high: int
    unit: str
    decimals: int = 0
    optional: bool = False

    def bound(self, number: int) -> str:
        """*number* in the unit that people send."""
        return str(Decimal(number).scaleb(-self.decimals))

    @property
    def expected(self) -> str:
        """The range, for people."""
        steps = f" in steps of {Decimal(1).scaleb(-self.decimals)}" if self.decimals else ""
        return f"{self.bound(self.low)} to {self.bound(self.high)}{steps}{f' {self.unit}' if self.unit else ''}"


def _field(element: str, key: str, code: str, low: int, high: int, unit: str = "", **more: int) -> Field:
    return Field(
        element, key, code, low, high, unit, decimals=more.get("decimals", 0), optional=bool(more.get("optional", 0))
    )


_LOAD_CONTROL: Final = (
    _field("deviceClass", "device_class", "DEVICE_CLASS_OUT_OF_RANGE", 1, 0x0FFF, "(sum of the classes' bits)"),
    _field("enrollmentGroup", "enrollment_group", "ENROLLMENT_GROUP_OUT_OF_RANGE", 0, 255, "(0: every group)"),
    _field("durationMinutes", "duration_minutes", "DURATION_OUT_OF_RANGE", 1, 1440, "minutes"),
    _field("criticalityLevel", "criticality", "CRITICALITY_OUT_OF_RANGE", 1, 15),
    _field("coolingOffset", "cooling_offset", "COOLING_OFFSET_OUT_OF_RANGE", 0, 254, "°C", decimals=1, optional=1),
    _field("heatingOffset", "heating_offset", "HEATING_OFFSET_OUT_OF_RANGE", 0, 254, "°C", decimals=1, optional=1),
    _field(
        "coolingSetpoint", "cooling_setpoint", "COOLING_SETPOINT_OUT_OF_RANGE",
        -27315, 32767, "°C", decimals=2, optional=1,
    ),
    _field(
        "heatingSetpoint", "heating_setpoint", "HEATING_SETPOINT_OUT_OF_RANGE",
        -27315, 32767, "°C", decimals=2, optional=1,
    ),
    _field("avgLoadAdjustment", "load_adjustment", "LOAD_ADJUSTMENT_OUT_OF_RANGE", -100, 100, "%", optional=1),
    _field("dutyCycle", "duty_cycle", "DUTY_CYCLE_OUT_OF_RANGE", 0, 100, "% on", optional=1),
)  # fmt: skip
_DURATION: Final = _field(
    "durationMinutes", "duration_minutes", "DURATION_OUT_OF_RANGE", 1, UNTIL_CHANGED - 1,
    "minutes (left out: until another one comes)", optional=1,
)  # fmt: skip
_PRICE: Final = (
    _field("providerId", "provider_id", "PROVIDER_OUT_OF_RANGE", 0, 2**32 - 1),
    _field("currency", "currency", "CURRENCY_OUT_OF_RANGE", 0, 999, "(ISO 4217 number; 840: US dollar)"),
    _field("priceTier", "tier", "PRICE_TIER_OUT_OF_RANGE", 0, 6, "(0: none)"),
    _field("numberOfPriceTiers", "tiers", "NUMBER_OF_PRICE_TIERS_OUT_OF_RANGE", 0, 6),
    _field("registerTier", "register_tier", "REGISTER_TIER_OUT_OF_RANGE", 0, 6, "(at most numberOfPriceTiers)"),
    _DURATION,
    _field("priceRatio", "price_ratio", "PRICE_RATIO_OUT_OF_RANGE", 1, 254, decimals=1, optional=1),
    _field(
        "generationPriceRatio", "generation_price_ratio", "GENERATION_PRICE_RATIO_OUT_OF_RANGE",
        1, 254, decimals=1, optional=1,
    ),
)  # fmt: skip

#: The numbers of each category that has any.
FIELDS: Final[Mapping[str, tuple[Field, ...]]] = MappingProxyType(
    {"STM": (_DURATION,), "LCE": _LOAD_CONTROL, "PRM": _PRICE}
)

Number = int | Decimal | None


def _numbers(category: str, sent: Mapping[str, Number]) -> Fields | Refusal:
    # Every number in SEP's unit; None where an optional one is not used.
    found: Fields = {}
    for field in FIELDS[category]:
        value = sent.get(field.element)
        if value is None:
            if not field.optional:
                return Refusal(field.code, field.element, "nothing", field.expected)
            found[field.key] = None
            continue
        number = Decimal(value).scaleb(field.decimals) if Decimal(value).is_finite() else Decimal("NaN")
        if number.is_nan() or number != number.to_integral_value() or not field.low <= number <= field.high:
            return Refusal(field.code, field.element, str(value)[:40], field.expected)
        found[field.key] = int(number)
    return found


def check_text(
    text: str, *, priority: str, confirmation_required: bool, duration_minutes: int | None, most_bytes: int
) -> Fields | Refusal:
    """The fields of a text message, or what is wrong with it.

    *most_bytes*: of UTF-8; 58 fit into one radio frame that is not source-routed. The text is never cut.
    """
    size = len(text.encode())
    if not text.strip():
        return Refusal("MESSAGE_EMPTY", "messageText", "no text", f"1 to {most_bytes} bytes of UTF-8")
    if any(not one.isprintable() for one in text):
        return Refusal("MESSAGE_UNPRINTABLE", "messageText", "a character that is no text", "one line of text")
    if size > most_bytes:
        fitting = len(text.encode()[:most_bytes].decode(errors="ignore"))
        return Refusal(
            "MESSAGE_TOO_LONG",
            "messageText",
            f"{size} bytes of UTF-8",
            f"at most {most_bytes} bytes; the first {fitting} characters of this text fit",
        )
    numbers = _numbers("STM", {"durationMinutes": duration_minutes})
    if isinstance(numbers, Refusal):
        return numbers
    if priority not in PRIORITIES:
        return Refusal("PRIORITY_UNKNOWN", "priority", priority[:40], " or ".join(PRIORITIES))
    return numbers | {
        "text": text,
        "importance": PRIORITIES.index(priority),
        "confirmation_required": confirmation_required,
    }


def check_load_control(sent: Mapping[str, Number], *, randomize_start: bool, randomize_end: bool) -> Fields | Refusal:
    """The fields of a load control event, or what is wrong with it; *sent* goes by the names on the wire."""
    numbers = _numbers("LCE", sent)
    if isinstance(numbers, Refusal):
        return numbers
    return numbers | {"randomize_start": randomize_start, "randomize_end": randomize_end}


def check_price(
    sent: Mapping[str, Number], *, price: Decimal, generation_price: Decimal | None, rate_label: str
) -> Fields | Refusal:
    """The fields of a price message, or what is wrong with it; *sent* goes by the names on the wire.

    Prices are per kWh in the main unit of the currency, exact: both are sent as whole numbers with as many trailing
    digits as the finer of the two needs.
    """
    numbers = _numbers("PRM", sent)
    if isinstance(numbers, Refusal):
        return numbers
    tiers, register = numbers["tiers"], numbers["register_tier"]
    if isinstance(tiers, int) and isinstance(register, int) and register > tiers:
        return Refusal("REGISTER_TIER_OUT_OF_RANGE", "registerTier", str(register), f"0 to numberOfPriceTiers, {tiers}")
    if len(rate_label.encode()) > _LONGEST_LABEL or not rate_label.isprintable():
        size = f"{len(rate_label.encode())} bytes of UTF-8"
        return Refusal("RATE_LABEL_TOO_LONG", "rateLabel", size, f"at most {_LONGEST_LABEL} bytes, on one line")
    digits = max(_digits(price), _digits(generation_price) if generation_price is not None else 0)
    scaled = {}
    for element, key, code, value, most in (
        ("price", "price", "PRICE_OUT_OF_RANGE", price, _LARGEST_PRICE),
        # the largest number means that it is not used
        ("generationPrice", "generation_price", "GENERATION_PRICE_OUT_OF_RANGE", generation_price, _LARGEST_PRICE - 1),
    ):
        expected = f"0 or more, at most {most} without its point, {_MOST_TRAILING_DIGITS} digits after the point"
        number = None if value is None else value.scaleb(digits) if value.is_finite() else Decimal(-1)
        if number is not None and (digits > _MOST_TRAILING_DIGITS or not 0 <= number <= most):
            return Refusal(code, element, str(value)[:40], expected)
        scaled[key] = None if number is None else int(number)
    return numbers | scaled | {"trailing_digits": digits, "rate_label": rate_label, "unit_of_measure": 0}


def _digits(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a message takes effect: *start* None is on arrival, *ends* None is until another one comes."""

    start: datetime | None
    ends: datetime | None


def check_schedule(
    start: datetime | None, duration_minutes: int | None, *, now: datetime, horizon: timedelta
) -> Schedule | Refusal:
    """When a message begins and ends, or what is wrong with its start.

    A start within a minute of *now* is now, because clocks differ; one further back, or beyond *horizon*, is refused.
    """
    ends_after = None if duration_minutes is None else timedelta(minutes=duration_minutes)
    if start is None:
        return Schedule(None, None if ends_after is None else now + ends_after)
    if start.tzinfo is None:
        expected = "a time with Z or an offset, such as 2026-11-20T21:00:00Z"
        return Refusal("START_WITHOUT_ZONE", "startTime", start.isoformat(), expected)
    begin = start.astimezone(UTC).replace(microsecond=0)
    if begin < now - _PRESENT:
        return Refusal("START_IN_PAST", "startTime", begin.isoformat(), f"{now:%Y-%m-%dT%H:%M:%SZ} or later")
    if begin > now + horizon:
        latest = now + horizon
        return Refusal("START_TOO_FAR", "startTime", begin.isoformat(), f"{latest:%Y-%m-%dT%H:%M:%SZ} at the latest")
    if begin <= now + _PRESENT:
        return Schedule(None, None if ends_after is None else now + ends_after)
    return Schedule(begin, None if ends_after is None else begin + ends_after)
