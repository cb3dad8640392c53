"""What can go wrong with an order. Each class's docstring is the sentence that the caller's developer reads."""

from __future__ import annotations

from typing import ClassVar

from smt_ws.errors import HubError

__all__ = [
    "AccessEndedError",
    "BeyondHistoryError",
    "ClaimLostError",
    "DataTypeNotAvailableError",
    "DateInFutureError",
    "DateMalformedError",
    "DatesReversedError",
    "DaysDoNotAddUpError",
    "DeliveryModeNotAvailableError",
    "DiskLowError",
    "FormatNotAvailableError",
    "HistoryDurationError",
    "LoadMarkUnknownError",
    "NoEsiidsError",
    "OpenEsiidsError",
    "OpenPgpCertificateMissingError",
    "OrderFinishedError",
    "OrderHeldError",
    "OrderUnknownError",
    "OrdersPerDayError",
    "PackedUnreadableError",
    "ReadingTypeUnknownError",
    "StatusUnknownError",
    "SubscriptionActiveError",
    "SubscriptionNotForYouError",
    "SubscriptionUnknownError",
    "TooLargeForAnswerError",
    "TooManyChangesError",
    "TooManyDaysError",
    "TooManyEsiidsError",
    "VersionNotInFormatError",
    "VersionUnknownError",
    "refused",
]


class DiskLowError(HubError):
    """The hub is short of disk space and takes no new orders; those accepted are finished. Send it again later.

    The Retry-After header says when. Keep the trans_id.
    """

    code = "DISK_LOW"
    callers_fault = False
    #: Seconds: somebody has to make room first.
    retry_after: ClassVar[int] = 600


class DateMalformedError(HubError):
    """A date is not a real day written MM/DD/YYYY. Send, for instance, 03/09/2026."""

    code = "DATE_MALFORMED"


class DatesReversedError(HubError):
    """The end date is before the start date. Both days are included in the range: exchange or correct them."""

    code = "END_BEFORE_START"


class DateInFutureError(HubError):
    """The end date is after today's operating day (US/Central). Ask for days up to today."""

    code = "DATE_IN_FUTURE"


class BeyondHistoryError(HubError):
    """The start date is further back than the history kept for your kind of company. Ask from the expected day on."""

    code = "BEYOND_HISTORY"


class FormatNotAvailableError(HubError):
    """The report does not exist in this format. Ask for one of the expected formats."""

    code = "FORMAT_NOT_AVAILABLE"


class DeliveryModeNotAvailableError(HubError):
    """The report cannot be delivered in this way. Use one of the expected delivery modes."""

    code = "DELIVERY_MODE_NOT_AVAILABLE"


class VersionUnknownError(HubError):
    """The version is neither L (latest version of each day) nor A (all versions). Send one of the two."""

    code = "VERSION_UNKNOWN"


class VersionNotInFormatError(HubError):
    """The format holds one version of a day only. Ask for version L, or for all versions in an expected format."""

    code = "VERSION_NOT_IN_FORMAT"


class TooLargeForAnswerError(HubError):
    """The request is larger than an answer may be. Ask for less at once, or have files: use deliveryMode FTP or EML."""

    code = "TOO_LARGE_FOR_ANSWER"


class ReadingTypeUnknownError(HubError):
    """The reading type is not C (consumption), G (surplus generation) or A (both). Send one of the three."""

    code = "READING_TYPE_UNKNOWN"


class NoEsiidsError(HubError):
    """The request names no ESI ID. Name at least one."""

    code = "NO_ESIIDS"
    element = "esiid"


class TooManyEsiidsError(HubError):
    """The request names more ESI IDs than one request may. Nothing was ordered: split the list and send each piece."""

    code = "TOO_MANY_ESIIDS"
    element = "esiid"


class _LaterError(HubError):
    """Refused for now: the same request will be taken later."""

    def __init__(self, message: str | None = None, *, expected: str, presented: str, retry_after: int) -> None:
        """Tell in how many seconds it is worth asking again: the Retry-After header says it."""
        super().__init__(message, expected=expected, presented=presented)
        self.retry_after = retry_after


class OrdersPerDayError(_LaterError):
    """Your company has placed as many orders as it may on one day (US/Central). Join requests, or go on tomorrow."""

    code = "ORDERS_PER_DAY"
    element = "request"


class OpenEsiidsError(_LaterError):
    """Your unfinished orders would hold more ESI IDs than may be open. Wait until one is done, or cancel one."""

    code = "OPEN_ESIIDS"
    element = "esiid"


class OpenPgpCertificateMissingError(HubError):
    """Your company has no OpenPGP certificate here, so no file could be encrypted to it. Register one, then order."""

    code = "OPENPGP_CERTIFICATE_MISSING"


class OrderUnknownError(HubError):
    """There is no such order of your company. Check the correlationId that the hub gave when the order was placed."""

    code = "ORDER_UNKNOWN"
    element = "correlationId"


class OrderHeldError(HubError):
    """A file of the order is being recorded, and that takes longer than it should; nothing was done. Send it again.

    The Retry-After header says when. Keep the trans_id.
    """

    code = "ORDER_HELD"
    callers_fault = False
    #: Seconds.
    retry_after: ClassVar[int] = 30


class StatusUnknownError(HubError):
    """There is no such order status. Send one of the expected codes, or leave the element out."""

    code = "STATUS_UNKNOWN"
    element = "status"


class OrderFinishedError(HubError):
    """The order is finished and can no longer be cancelled. Ask GetStatus how it ended."""

    code = "ORDER_FINISHED"
    element = "correlationId"


class SubscriptionActiveError(HubError):
    """Your DUNS number has this data posted every day already. To change the format, end that subscription first."""

    code = "SUBSCRIPTION_ALREADY_ACTIVE"
    element = "dataType"


class SubscriptionUnknownError(HubError):
    """Your company has no such subscription in force. MySubscriptions lists yours with their numbers."""

    code = "SUBSCRIPTION_UNKNOWN"
    element = "subscriptionId"


class SubscriptionNotForYouError(HubError):
    """Postings are for REPs and third parties. Order what you need with the operations of MeterUsage."""

    code = "SUBSCRIPTION_NOT_FOR_YOU"
    element = "requesterType"


class DataTypeNotAvailableError(HubError):
    """The hub does not post this kind of data every day. Subscribe to one of the expected kinds, or order it."""

    code = "DATA_TYPE_NOT_AVAILABLE"
    element = "dataType"


class HistoryDurationError(HubError):
    """History comes with a subscription for an expected number of months only. For other ranges place an order."""

    code = "HISTORY_DURATION"
    element = "historicalSubscriptionDuration"


class LoadMarkUnknownError(HubError):
    """The hub has not reached this load mark. Name one that an answer of the hub gave you, or 0 for everything."""

    code = "LOAD_MARK_UNKNOWN"
    element = "loadMark"


class TooManyChangesError(HubError):
    """More has changed since this mark than one order may hold. Name a later mark, or order days of named ESI IDs."""

    code = "TOO_MANY_CHANGES"
    element = "loadMark"


class TooManyDaysError(HubError):
    """The question is too large to be answered at once. Ask for fewer ESI IDs or fewer days."""

    code = "TOO_MANY_DAYS"
    element = "esiid"


class AccessEndedError(HubError):
    """An agreement ended while a file with its ESI IDs was being made. The hub makes the file again, without them."""

    code = "ACCESS_ENDED"
    callers_fault = False


class ClaimLostError(HubError):
    """The part is no longer this worker's: its order was cancelled, or another worker has claimed it. Let it go."""

    code = "CLAIM_LOST"
    callers_fault = False


class DaysDoNotAddUpError(HubError):
    """The ESI-ID-days asked are not those delivered plus those excepted. The order was stopped: the hub is at fault."""

    code = "DAYS_DO_NOT_ADD_UP"
    callers_fault = False


class PackedUnreadableError(HubError):
    """A packed list in the store cannot be read by this version of the hub. Finish the upgrade of all workers."""

    code = "PACKED_UNREADABLE"
    callers_fault = False


_BY_CODE = {
    error.code: error
    for error in (
        DateMalformedError,
        DatesReversedError,
        DateInFutureError,
        BeyondHistoryError,
        FormatNotAvailableError,
        DeliveryModeNotAvailableError,
        VersionUnknownError,
        ReadingTypeUnknownError,
        NoEsiidsError,
        TooManyEsiidsError,
        TooLargeForAnswerError,
        VersionNotInFormatError,
    )
}


def refused(code: str, *, element: str, presented: str, expected: str) -> HubError:
    """Make the error that says what a rule (`smt_ws.orders.rules.Refusal`) found, with the rule's specifics."""
    error = _BY_CODE[code]
    message = f"{element}: {error.sentence()} Presented {presented!r}, expected {expected}."
    return error(message, element=element, expected=expected, presented=presented)
