"""What can go wrong with devices and messages. Each docstring is the sentence that the caller's developer reads."""

from __future__ import annotations

from smt_ws.errors import HubError
from smt_ws.han import field_errors
from smt_ws.han.rules import Refusal

__all__ = [
    "CustomerKeepsControlError",
    "DeviceElsewhereError",
    "DeviceNotRemovableError",
    "DeviceThereAlreadyError",
    "DeviceUnknownError",
    "EarlierCallOpenError",
    "EsiidMalformedError",
    "EsiidRepeatedError",
    "EsiidUnknownError",
    "Eui64MalformedError",
    "InstallCodeCrcError",
    "InstallCodeDigitsError",
    "InstallCodeLengthError",
    "InstallCodeSealedError",
    "InvalidEndpointError",
    "LogRangeError",
    "MessageNotCancellableError",
    "MessageNotThereError",
    "MessageOverError",
    "MessageUnknownError",
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
    "OpenPgpCertificateMissingError",
    "RemovalAwaitsCustomerError",
    "TooManyEsiidsError",
    "TooManyPostsError",
    "of_code",
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
    element = "esiid"


class DeviceThereAlreadyError(HubError):
    """The device holds a slot on this ESI ID already. Ask GetDevices how it stands."""

    code = "DEVICE_THERE_ALREADY"
    element = "deviceMACAddr"


class DeviceElsewhereError(HubError):
    """The device holds a slot on another ESI ID. It must be removed there before it can be added here."""

    code = "DEVICE_ELSEWHERE"
    element = "deviceMACAddr"


class MeterMismatchError(HubError):
    """The meter does not hang at this ESI ID today. Check both numbers with GetMeterInformation."""

    code = "METER_MISMATCH"
    element = "meterSerialNumber"


class NoMeterError(HubError):
    """No provisioned meter hangs at this ESI ID today, so no device can be reached there. Ask the TDSP."""

    code = "NO_METER"
    element = "esiid"


class DeviceUnknownError(HubError):
    """There is no such device on this ESI ID. Check the MAC address, or ask GetDevices which there are."""

    code = "DEVICE_UNKNOWN"
    element = "deviceMACAddr"


class DeviceNotRemovableError(HubError):
    """The device holds no slot, or its removal is under way already. Ask GetDevices how it stands."""

    code = "DEVICE_NOT_REMOVABLE"
    element = "deviceMACAddr"


class RemovalAwaitsCustomerError(HubError):
    """The customer has been asked about this removal and has not answered yet. Wait for the answer (A21)."""

    code = "REMOVAL_AWAITS_CUSTOMER"
    element = "deviceMACAddr"


class NoPendingAddError(HubError):
    """The device is not waiting to be added, so there is nothing to take back.

    To remove an added device use DeprovisionDevice.
    """

    code = "NO_PENDING_ADD"
    element = "deviceMACAddr"


class EsiidMalformedError(HubError):
    """An ESI ID has 17 or 22 digits and nothing else. Correct it and send the request again."""

    code = "ESIID_MALFORMED"


class EsiidRepeatedError(HubError):
    """The ESI ID is in the request more than once. It is taken at its first place."""

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
    """The premise is not on your wires. A TDSP reaches its own meters only."""

    code = "NOT_YOUR_PREMISE"


class CustomerKeepsControlError(HubError):
    """The customer lets companies of your kind control no device there (A19). Ask the customer to allow it."""

    code = "CUSTOMER_KEEPS_CONTROL"


class NoDeviceError(HubError):
    """No device is added on this ESI ID, so a message would reach nobody. Add one, or leave the ESI ID out."""

    code = "NO_DEVICE"


class DevicesUnconfirmedError(HubError):
    """Somebody has moved in since a device there was added, and has not kept or removed it yet (A31). A message would
    reach that device too. The customer is asked in the portal; send again once they have answered.
    """

    code = "DEVICES_UNCONFIRMED"


class NoEsiidAcceptedError(HubError):
    """None of the ESI IDs can be sent to, for different reasons. Send them one by one to be told each."""

    code = "NO_ESIID_ACCEPTED"
    element = "esiid"


class NoEsiidsError(HubError):
    """The request names no ESI ID. Name at least one."""

    code = "NO_ESIIDS"


class TooManyEsiidsError(HubError):
    """The request names more ESI IDs than one may. Split the list and send each piece."""

    code = "TOO_MANY_ESIIDS"
    element = "esiid"


class MessageUnknownError(HubError):
    """Your company has sent no such message. Check the requestId that the hub gave."""

    code = "MESSAGE_UNKNOWN"
    element = "requestId"


class MessageNotCancellableError(HubError):
    """A message of this kind cannot be cancelled so.

    Cancel texts with CancelTextMessage and events with CancelLoadControlEvent; a price is replaced by a newer
    one.
    """

    code = "MESSAGE_NOT_CANCELLABLE"
    element = "requestId"


class MessageOverError(HubError):
    """The message is over or cancelled at all of these premises, so there is nothing left to cancel."""

    code = "MESSAGE_OVER"
    element = "requestId"


class MessageNotThereError(HubError):
    """The message was not sent to this ESI ID. Name ESI IDs of the message, or none for all of them."""

    code = "MESSAGE_NOT_THERE"
    element = "esiid"


class LogRangeError(HubError):
    """The dates of the log are exchanged, malformed, or too many days apart. Ask for a shorter range."""

    code = "LOG_RANGE"
    element = "fromDate"


class OpenPgpCertificateMissingError(HubError):
    """Your company has no OpenPGP certificate here, so no file could be encrypted to it.

    Register one, then ask again.
    """

    code = "OPENPGP_CERTIFICATE_MISSING"


class NotATdspError(HubError):
    """Only a TDSP tells of devices, messages and meters. Call with requesterType TDSP and a TDSP's certificates."""

    code = "NOT_A_TDSP"
    element = "requesterType"


class TooManyPostsError(HubError):
    """The call brings more posts than one may. Split it into several calls."""

    code = "TOO_MANY_POSTS"
    element = "post"


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
    one.code: one
    for one in (*vars(field_errors).values(), *vars().copy().values())
    if isinstance(one, type) and issubclass(one, HubError)
}


def of_code(code: str, *, presented: str | None = None) -> HubError:
    """Make the error of a stable code; *presented* is what it is about."""
    error = _BY_CODE[code]
    return error(f"{presented}: {error.sentence()}" if presented else None, element="esiid", presented=presented)


def refused(refusal: Refusal) -> HubError:
    """Make the error that says what a rule found, with the rule's specifics."""
    error = _BY_CODE[refusal.code]
    message = f"{refusal.element}: {error.sentence()} Presented {refusal.presented!r}, expected {refusal.expected}."
    return error(message, element=refusal.element, expected=refusal.expected, presented=refusal.presented)
