"""What a field of a message may not hold (H4): a class a field, its docstring the sentence that a developer reads."""

from __future__ import annotations

from smt_ws.errors import HubError

__all__ = [
    "CoolingOffsetOutOfRangeError",
    "CoolingSetpointOutOfRangeError",
    "CriticalityOutOfRangeError",
    "CurrencyOutOfRangeError",
    "DeviceClassOutOfRangeError",
    "DurationOutOfRangeError",
    "DutyCycleOutOfRangeError",
    "EnrollmentGroupOutOfRangeError",
    "GenerationPriceOutOfRangeError",
    "GenerationPriceRatioOutOfRangeError",
    "HeatingOffsetOutOfRangeError",
    "HeatingSetpointOutOfRangeError",
    "LoadAdjustmentOutOfRangeError",
    "MessageEmptyError",
    "MessageTooLongError",
    "MessageUnprintableError",
    "NumberOfPriceTiersOutOfRangeError",
    "PriceOutOfRangeError",
    "PriceRatioOutOfRangeError",
    "PriceTierOutOfRangeError",
    "PriorityUnknownError",
    "ProviderOutOfRangeError",
    "RateLabelTooLongError",
    "RegisterTierOutOfRangeError",
    "StartInPastError",
    "StartTooFarError",
    "StartWithoutZoneError",
]


class MessageEmptyError(HubError):
    """The message has no text. Send some."""

    code = "MESSAGE_EMPTY"


class MessageUnprintableError(HubError):
    """The message holds a character that a display cannot show. Send one line of text."""

    code = "MESSAGE_UNPRINTABLE"


class MessageTooLongError(HubError):
    """The message has more bytes of UTF-8 than devices take.

    An accented letter has two, an emoji four. Shorten it; the hub cuts nothing.
    """

    code = "MESSAGE_TOO_LONG"


class PriorityUnknownError(HubError):
    """The priority is none that SEP 1.0 knows. Send one of the expected."""

    code = "PRIORITY_UNKNOWN"


class DurationOutOfRangeError(HubError):
    """The duration is outside its range. A load control event lasts 1 to 1440 minutes."""

    code = "DURATION_OUT_OF_RANGE"


class DeviceClassOutOfRangeError(HubError):
    """The device class is no sum of the twelve classes' bits. Send 4095 for all classes."""

    code = "DEVICE_CLASS_OUT_OF_RANGE"


class EnrollmentGroupOutOfRangeError(HubError):
    """The enrollment group is outside its range. Send 0 for every group."""

    code = "ENROLLMENT_GROUP_OUT_OF_RANGE"


class CriticalityOutOfRangeError(HubError):
    """The criticality level is outside its range.

    1 is green, 2 to 6 are levels, 7 emergency, 8 outage, 9 disconnect, 10 to 15 the utility's own.
    """

    code = "CRITICALITY_OUT_OF_RANGE"


class CoolingOffsetOutOfRangeError(HubError):
    """The cooling offset is outside its range. It is a difference in degrees Celsius."""

    code = "COOLING_OFFSET_OUT_OF_RANGE"


class HeatingOffsetOutOfRangeError(HubError):
    """The heating offset is outside its range. It is a difference in degrees Celsius."""

    code = "HEATING_OFFSET_OUT_OF_RANGE"


class CoolingSetpointOutOfRangeError(HubError):
    """The cooling set point is outside its range. It is in degrees Celsius."""

    code = "COOLING_SETPOINT_OUT_OF_RANGE"


class HeatingSetpointOutOfRangeError(HubError):
    """The heating set point is outside its range. It is in degrees Celsius."""

    code = "HEATING_SETPOINT_OUT_OF_RANGE"


class LoadAdjustmentOutOfRangeError(HubError):
    """The average load adjustment is outside its range. It is in whole per cent."""

    code = "LOAD_ADJUSTMENT_OUT_OF_RANGE"


class DutyCycleOutOfRangeError(HubError):
    """The duty cycle is outside its range. It is the per cent of time on."""

    code = "DUTY_CYCLE_OUT_OF_RANGE"


class ProviderOutOfRangeError(HubError):
    """The provider id does not fit into 32 bits. A 9-digit DUNS number does."""

    code = "PROVIDER_OUT_OF_RANGE"


class RateLabelTooLongError(HubError):
    """The rate label has more bytes of UTF-8 than devices take. Shorten it."""

    code = "RATE_LABEL_TOO_LONG"


class CurrencyOutOfRangeError(HubError):
    """The currency is no ISO 4217 number. Send 840 for US dollars."""

    code = "CURRENCY_OUT_OF_RANGE"


class PriceOutOfRangeError(HubError):
    """The price is negative, too large or too fine. Prices below nought cannot be sent."""

    code = "PRICE_OUT_OF_RANGE"


class PriceTierOutOfRangeError(HubError):
    """The price tier is outside its range. SEP 1.0 knows six."""

    code = "PRICE_TIER_OUT_OF_RANGE"


class NumberOfPriceTiersOutOfRangeError(HubError):
    """The number of price tiers is outside its range. SEP 1.0 knows six."""

    code = "NUMBER_OF_PRICE_TIERS_OUT_OF_RANGE"


class RegisterTierOutOfRangeError(HubError):
    """The register tier is outside its range, or above the number of price tiers."""

    code = "REGISTER_TIER_OUT_OF_RANGE"


class PriceRatioOutOfRangeError(HubError):
    """The price ratio is outside its range."""

    code = "PRICE_RATIO_OUT_OF_RANGE"


class GenerationPriceOutOfRangeError(HubError):
    """The generation price is negative, too large or too fine for the digits of the price."""

    code = "GENERATION_PRICE_OUT_OF_RANGE"


class GenerationPriceRatioOutOfRangeError(HubError):
    """The generation price ratio is outside its range."""

    code = "GENERATION_PRICE_RATIO_OUT_OF_RANGE"


class StartWithoutZoneError(HubError):
    """The start time has no zone, so it is another moment in each. Send it with Z or an offset."""

    code = "START_WITHOUT_ZONE"


class StartInPastError(HubError):
    """The start time is in the past. Leave it out for a message that takes effect on arrival."""

    code = "START_IN_PAST"


class StartTooFarError(HubError):
    """The start time is further ahead than messages are kept for. Send it nearer to its time."""

    code = "START_TOO_FAR"
