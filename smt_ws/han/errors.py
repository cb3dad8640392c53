"""What can go wrong with devices and messages. Each docstring is the sentence that the caller's developer reads."""

from __future__ import annotations

from smt_ws.errors import HubError
from smt_ws.han.rules import Refusal

__all__ = [
    "CoolingOffsetOutOfRangeError",
    "CoolingSetpointOutOfRangeError",
    "CriticalityOutOfRangeError",
    "CurrencyOutOfRangeError",
    "CustomerKeepsControlError",
    "DeviceClassOutOfRangeError",
    "DeviceElsewhereError",
    "DeviceNotRemovableError",
    "DeviceThereAlreadyError",
    "DeviceUnknownError",
    "DurationOutOfRangeError",
    "DutyCycleOutOfRangeError",
    "EarlierCallOpenError",
    "EnrollmentGroupOutOfRangeError",
    "EsiidMalformedError",
    "EsiidRepeatedError",
    "EsiidUnknownError",
    "Eui64MalformedError",
    "GenerationPriceOutOfRangeError",
    "GenerationPriceRatioOutOfRangeError",
    "HeatingOffsetOutOfRangeError",
    "HeatingSetpointOutOfRangeError",
    "InstallCodeCrcError",
    "InstallCodeDigitsError",
    "InstallCodeLengthError",
    "InstallCodeSealedError",
    "InvalidEndpointError",
    "LoadAdjustmentOutOfRangeError",
    "LogRangeError",
    "MessageEmptyError",
    "MessageNotCancellableError",
    "MessageNotThereError",
    "MessageOverError",
    "MessageTooLongError",
    "MessageUnknownError",
    "MessageUnprintableError",
    "MeterMismatchError",
    "NoDeviceAgreementError",
    "NoDeviceError",
    "NoEsiidAcceptedError",
    "NoEsiidsError",
    "NoMeterError",
    "NoPendingAddError",
    "NoServicesAgreementError",
    "NoSlotFreeError",
    "NotATdspError",
    "NotYourPremiseError",
    "NumberOfPriceTiersOutOfRangeError",
    "PriceOutOfRangeError",
    "PriceRatioOutOfRangeError",
    "PriceTierOutOfRangeError",
    "PriorityUnknownError",
    "ProviderOutOfRangeError",
    "RateLabelTooLongError",
    "RegisterTierOutOfRangeError",
    "RemovalAwaitsCustomerError",
    "StartInPastError",
    "StartTooFarError",
    "StartWithoutZoneError",
    "TooManyPostsError",
    "refused",
]


class Eui64MalformedError(HubError):
    """The device's MAC address is no EUI-64. Send its 16 hex digits as printed on the device, byte order unchanged."""

    code = "EUI64_MALFORMED"


class InstallCodeDigitsError(HubError):
    """The installation code holds something else than hex digits and separators. Read it off the device again."""

    code = "INSTALL_CODE_DIGITS"


class InstallCodeLengthError(HubError):
    """The installation code has a wrong number of digits. Send all of it, the four digits of its CRC included."""

    code = "INSTALL_CODE_LENGTH"


class InstallCodeCrcError(HubError):
    """The installation code's last four digits are not the CRC of the others.

    A digit is wrong: read it off the device again.
    """

    code = "INSTALL_CODE_CRC"


class NoSlotFreeError(HubError):
    """Five devices hold a slot on this ESI ID, which is all that there are (H2). Remove one first."""

    code = "NO_SLOT_FREE"


class DeviceThereAlreadyError(HubError):
    """The device holds a slot on this ESI ID already. Ask GetDevices how it stands."""

    code = "DEVICE_THERE_ALREADY"


class DeviceElsewhereError(HubError):
    """The device holds a slot on another ESI ID. It must be removed there before it can be added here."""

    code = "DEVICE_ELSEWHERE"


class MeterMismatchError(HubError):
    """This meter does not hang at this ESI ID today. Check both numbers with GetMeterInformation."""

    code = "METER_MISMATCH"


class NoMeterError(HubError):
    """No provisioned meter hangs at this ESI ID today, so no device can be reached there. Ask the TDSP."""

    code = "NO_METER"


class DeviceUnknownError(HubError):
    """There is no such device on this ESI ID. Check the MAC address, or ask GetDevices which there are."""

    code = "DEVICE_UNKNOWN"


class DeviceNotRemovableError(HubError):
    """The device holds no slot, or its removal is under way already. Ask GetDevices how it stands."""

    code = "DEVICE_NOT_REMOVABLE"


class RemovalAwaitsCustomerError(HubError):
    """The customer has been asked about this removal and has not answered yet. Wait for the answer (A21)."""

    code = "REMOVAL_AWAITS_CUSTOMER"


class NoPendingAddError(HubError):
    """The device is not waiting to be added, so there is nothing to take back.

    To remove an added device use DeprovisionDevice.
    """

    code = "NO_PENDING_ADD"


class EsiidMalformedError(HubError):
    """This is not an ESI ID: 17 or 22 digits, nothing else. Correct it and send the request again."""

    code = "ESIID_MALFORMED"


class EsiidRepeatedError(HubError):
    """This ESI ID is in the request more than once; it is taken at its first place."""

    code = "ESIID_REPEATED"


class EsiidUnknownError(HubError):
    """No premise has this ESI ID. Check its digits."""

    code = "ESIID_UNKNOWN"


class NoDeviceAgreementError(HubError):
    """No In-Home Device agreement lets your company add, remove or see devices there (H8). Ask the customer for one."""

    code = "NO_DEVICE_AGREEMENT"


class NoServicesAgreementError(HubError):
    """No In-Home Device Services agreement lets your company send messages there (H8). Ask the customer for one."""

    code = "NO_SERVICES_AGREEMENT"


class NotYourPremiseError(HubError):
    """This premise is not on your wires. A TDSP reaches its own meters only."""

    code = "NOT_YOUR_PREMISE"


class CustomerKeepsControlError(HubError):
    """The customer lets companies of your kind control no device there (A19). Ask the customer to allow it."""

    code = "CUSTOMER_KEEPS_CONTROL"


class NoDeviceError(HubError):
    """No device is added on this ESI ID, so a message would reach nobody. Add one, or leave the ESI ID out."""

    code = "NO_DEVICE"


class NoEsiidAcceptedError(HubError):
    """None of the ESI IDs can be sent to, for different reasons. Send them one by one to be told each."""

    code = "NO_ESIID_ACCEPTED"


class NoEsiidsError(HubError):
    """The request names no ESI ID. Name at least one."""

    code = "NO_ESIIDS"


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


class MessageUnknownError(HubError):
    """Your company has sent no such message. Check the requestId that the hub gave."""

    code = "MESSAGE_UNKNOWN"


class MessageNotCancellableError(HubError):
    """This kind of message cannot be cancelled so.

    Cancel texts with CancelTextMessage and events with CancelLoadControlEvent; a price is replaced by a newer
    one.
    """

    code = "MESSAGE_NOT_CANCELLABLE"


class MessageOverError(HubError):
    """The message is over or cancelled at all of these premises, so there is nothing left to cancel."""

    code = "MESSAGE_OVER"


class MessageNotThereError(HubError):
    """The message was not sent to this ESI ID. Name ESI IDs of the message, or none for all of them."""

    code = "MESSAGE_NOT_THERE"


class LogRangeError(HubError):
    """The dates of the log are exchanged, malformed, or too many days apart. Ask for a shorter range."""

    code = "LOG_RANGE"


class NotATdspError(HubError):
    """Only a TDSP tells of devices, messages and meters. Call with requesterType TDSP and a TDSP's certificates."""

    code = "NOT_A_TDSP"


class TooManyPostsError(HubError):
    """The call brings more posts than one may. Split it into several calls."""

    code = "TOO_MANY_POSTS"


class InvalidEndpointError(HubError):
    """The address is not one that the hub can call. Give an https URL with a host, and no user, query or fragment."""

    code = "INVALID_ENDPOINT"


class EarlierCallOpenError(HubError):
    """The TDSP has not taken an earlier call about the same device or message yet. This one is tried again."""

    code = "EARLIER_CALL_OPEN"
    callers_fault = False


class InstallCodeSealedError(HubError):
    """None of the keys opens a stored installation code. Put the key it was sealed with back into the key file."""

    code = "INSTALL_CODE_SEALED"
    callers_fault = False


_BY_CODE: dict[str, type[HubError]] = {
    one.code: one for one in vars().copy().values() if isinstance(one, type) and issubclass(one, HubError)
}


def refused(refusal: Refusal) -> HubError:
    """Make the error that says what a rule found, with the rule's specifics."""
    error = _BY_CODE[refusal.code]
    message = f"{refusal.element}: {error.sentence()} Presented {refusal.presented!r}, expected {refusal.expected}."
    return error(message, expected=refusal.expected, presented=refusal.presented)
