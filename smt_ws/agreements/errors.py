"""What can go wrong with an agreement. Each class's docstring is the sentence that the caller's developer reads."""

from __future__ import annotations

from smt_ws.errors import HubError

__all__ = [
    "AcceptanceRefusedError",
    "AcceptedByInitiatorError",
    "AcceptedHomesLimitError",
    "AgreementStateError",
    "AgreementUnknownError",
    "AttestationMissingError",
    "CustomerAddressLimitError",
    "CustomerServedError",
    "CustomerUnconfirmedError",
    "EmailLimitError",
    "EndDateError",
    "EsiidNotInAgreementError",
    "FieldError",
    "InitiatorNotAllowedError",
    "InvitationNotOpenError",
    "InvitationPendingError",
    "LogInNeededError",
    "NotInvitedError",
    "NothingToChangeError",
    "OneTimeLimitError",
    "OpenPgpCertificateMissingError",
    "OwnMailDomainError",
    "ResendLimitError",
    "SearchMalformedError",
    "TooManyItemsError",
    "TooManyMetersError",
    "TooManyUnconfirmedError",
    "WideningNeedsCustomerError",
]


class InitiatorNotAllowedError(HubError):
    """Only third parties and REPs make agreements with customers. Call as requesterType CSP or REP."""

    code = "INITIATOR_NOT_ALLOWED"
    element = "requesterType"


class AttestationMissingError(HubError):
    """The request does not affirm that the customer has given its permission. Without that nothing is asked of anyone.

    Send customerPermission true, once you have it on paper or electronically.
    """

    code = "ATTESTATION_MISSING"


class FieldError(HubError):
    """A field is missing, has no place in this kind of request, or is written wrongly. Correct what is presented."""

    code = "AGREEMENT_FIELD"


class CustomerUnconfirmedError(HubError):
    """Your 3rd Party Agreement request cannot be completed at this time due to one of the following reasons:

    - The ESIID specified is incorrect
    - The Meter # specified is incorrect
    - The ESIID/Meter # pair specified is not correct
    - The ESIID/Meter #/Email combination specified is not valid
    - The customer may not have a Smart Meter yet. A meter with a digital display is not necessarily a Smart Meter. The
      customer should contact their REP to determine their meter type.
    - If the customer has recently received their Smart Meter, the meter information may not be available here until up
      to 60 days after installation of the Smart Meter.
    """

    code = "CUSTOMER_UNCONFIRMED"


class TooManyUnconfirmedError(HubError):
    """So many of your requests named what does not fit together that no more are checked within this hour.

    Correct your list, and send the rest of it after the hour that the fault names.
    """

    code = "TOO_MANY_UNCONFIRMED"
    element = "meter"


class CustomerServedError(HubError):
    """You are the REP of record for all days that the agreement would open, and see them without one.

    Just order them. You may ask for days before or after your service, and for devices and messages to them.
    """

    code = "CUSTOMER_SERVED_BY_YOU"
    element = "esiid"


class OneTimeLimitError(HubError):
    """You have initiated three one-time agreements for this ESI ID within 365 days, and no more are allowed.

    It counts whatever became of them. Wait until the first of them is a year old, or ask for an ongoing agreement.
    """

    code = "ONE_TIME_LIMIT"
    element = "esiid"


class OwnMailDomainError(HubError):
    """The customer's e-mail address is in a domain of your own. Name an address that the customer alone reads."""

    code = "OWN_MAIL_DOMAIN"
    element = "customerEmail"


class CustomerAddressLimitError(HubError):
    """The e-mail address has been named for more ESI IDs than one unregistered customer may have within a year.

    Ask the customer to register with the hub, and invite the registered customer.
    """

    code = "CUSTOMER_ADDRESS_LIMIT"
    element = "meter"


class InvitationPendingError(HubError):
    """You have asked for an agreement of this kind for this home and device already, and it is Pending.

    Wait for the customer's answer, send that invitation again, or cancel it.
    """

    code = "INVITATION_PENDING"
    element = "esiid"


class EmailLimitError(HubError):
    """Customers have been sent as many e-mails as one day allows. Nothing was sent and nothing is changed.

    Go on when the fault says. For all meters of a registered customer ask once: one agreement, one e-mail.
    """

    code = "EMAIL_LIMIT"
    element = "customerEmail"


class TooManyMetersError(HubError):
    """The request lists more meters or devices than one request may. Nothing was sent: split the list."""

    code = "TOO_MANY_METERS"
    element = "meter"


class AgreementUnknownError(HubError):
    """There is no such agreement of yours. Look for it with MyAgreements; another company's is not shown."""

    code = "AGREEMENT_UNKNOWN"
    element = "agreementNumber"


class AgreementStateError(HubError):
    """The agreement does not stand so that this could be done to it. Ask AgreementDetails how it stands."""

    code = "AGREEMENT_STATE"
    element = "agreementNumber"


class ResendLimitError(HubError):
    """The invitation has been sent again as often as is allowed. Wait for the customer, or cancel it and ask
    anew, within the limits of new agreements.
    """

    code = "RESEND_LIMIT"
    element = "agreementNumber"


class EndDateError(HubError):
    """The end date is before today, or further away than one year from today. Name another day."""

    code = "AGREEMENT_END_DATE"
    element = "endDate"


class EsiidNotInAgreementError(HubError):
    """The agreement is not about this ESI ID. AgreementESIIDs lists those that it is about."""

    code = "ESIID_NOT_IN_AGREEMENT"
    element = "dropEsiid"


class WideningNeedsCustomerError(HubError):
    """Only the customer can open more than was agreed to. Drop ESI IDs or services, or ask for an extension."""

    code = "WIDENING_NEEDS_CUSTOMER"


class NothingToChangeError(HubError):
    """The request names nothing to change, or would leave nothing of the agreement. To end it, terminate it."""

    code = "NOTHING_TO_CHANGE"
    element = "service"


class SearchMalformedError(HubError):
    """The search cannot be understood. Name one criterion, and items without a * except at their end."""

    code = "SEARCH_MALFORMED"
    element = "item"


class TooManyItemsError(HubError):
    """The request lists more items than one may: up to 100. Split the list."""

    code = "TOO_MANY_ITEMS"
    element = "item"


class InvitationNotOpenError(HubError):
    """The invitation can no longer be answered, or never was one. Its page says what the customer can do."""

    code = "INVITATION_NOT_OPEN"


class LogInNeededError(HubError):
    """An agreement of this kind is accepted by the registered customer that it names, logged in."""

    code = "LOG_IN_NEEDED"


class NotInvitedError(HubError):
    """The invitation was sent to another e-mail address than the account's. Answer it by the link in that e-mail."""

    code = "NOT_INVITED"


class AcceptanceRefusedError(HubError):
    """The agreement cannot be accepted by this customer."""

    code = "ACCEPTANCE_REFUSED"


class AcceptedByInitiatorError(AcceptanceRefusedError):
    """The e-mail address is in a domain of the company that asks, and no company accepts for its customer."""

    code = "ACCEPTED_BY_INITIATOR"


class AcceptedHomesLimitError(AcceptanceRefusedError):
    """One customer would have accepted for more homes within a year than is allowed."""

    code = "ACCEPTED_HOMES_LIMIT"


class OpenPgpCertificateMissingError(HubError):
    """Files are encrypted to your OpenPGP key, and none is registered. Have the hub's operator register one."""

    code = "OPENPGP_CERTIFICATE_MISSING"
