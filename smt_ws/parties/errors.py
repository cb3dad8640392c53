"""What can be wrong with who is asking: one class a cause, its docstring the sentence a developer reads."""

from __future__ import annotations

from smt_ws.errors import HubError

__all__ = [
    "AddressNotAllowedError",
    "CallbackAddressError",
    "CertificateNotRegisteredError",
    "CertificateOfAnotherError",
    "CertificateRefusedError",
    "CertificateUnreadableError",
    "CompanyExistsError",
    "CompanySuspendedError",
    "CompanyUnknownError",
    "DunsMissingError",
    "DunsNotYoursError",
    "DunsTakenError",
    "DunsUnknownError",
    "IdentityError",
    "InvalidCompanyError",
    "InvalidNetworkError",
    "NetworkNotListedError",
    "RequesterTypeMismatchError",
    "RevocationUnknownError",
    "SampleCertificateError",
    "SigningCertificateExpiredError",
    "SigningCertificateNotYetValidError",
    "SigningCertificateOfAnotherCompanyError",
    "SigningCertificateRevokedError",
    "SigningCertificateUnknownError",
    "SigningCertificateWithdrawnError",
    "StatedReasonMissingError",
    "TlsCertificateExpiredError",
    "TlsCertificateNotYetValidError",
    "TlsCertificateRevokedError",
    "TlsCertificateUnknownError",
    "TlsCertificateWithdrawnError",
    "WeakPasswordError",
]


class IdentityError(HubError):
    """The hub could not establish which company is asking.

    What was presented and expected is for callers whose TLS certificate is registered
    (`identify.is_registered_for_tls`; interfaces.md "Fault detail"); anybody else is told the code and a reference
    number.
    """

    code = "IDENTITY"


class TlsCertificateUnknownError(IdentityError):
    """The certificate of the TLS connection is not registered to any company for TLS.

    Ask the hub's operator to register it and compare its SHA-256 fingerprint with the one registered.
    """

    code = "TLS_CERTIFICATE_UNKNOWN"
    element = "TLS certificate"


class TlsCertificateExpiredError(IdentityError):
    """The certificate of the TLS connection has expired. Register its successor and connect with that."""

    code = "TLS_CERTIFICATE_EXPIRED"
    element = "TLS certificate"


class TlsCertificateNotYetValidError(IdentityError):
    """The certificate of the TLS connection is not valid yet. Use the earlier one until this one's first day."""

    code = "TLS_CERTIFICATE_NOT_YET_VALID"
    element = "TLS certificate"


class TlsCertificateWithdrawnError(IdentityError):
    """The certificate of the TLS connection was withdrawn. Connect with another registered certificate."""

    code = "TLS_CERTIFICATE_WITHDRAWN"
    element = "TLS certificate"


class SampleCertificateError(IdentityError):
    """A sample certificate was presented in production (P2). Use one that a known authority issued to the company."""

    code = "SAMPLE_CERTIFICATE"
    element = "TLS certificate"


class SigningCertificateUnknownError(IdentityError):
    """The certificate that signed the message is not registered for signing.

    Ask the hub's operator to register it, or sign with a registered one.
    """

    code = "SIGNING_CERTIFICATE_UNKNOWN"
    element = "signing certificate"


class SigningCertificateExpiredError(IdentityError):
    """The certificate that signed the message has expired. Register its successor and sign with that."""

    code = "SIGNING_CERTIFICATE_EXPIRED"
    element = "signing certificate"


class SigningCertificateNotYetValidError(IdentityError):
    """The certificate that signed the message is not valid yet. Use the earlier one until this one's first day."""

    code = "SIGNING_CERTIFICATE_NOT_YET_VALID"
    element = "signing certificate"


class SigningCertificateWithdrawnError(IdentityError):
    """The certificate that signed the message was withdrawn. Sign with another registered certificate."""

    code = "SIGNING_CERTIFICATE_WITHDRAWN"
    element = "signing certificate"


class SigningCertificateOfAnotherCompanyError(IdentityError):
    """The message was signed with a certificate of another company than the one that is connected (P1).

    A captured message cannot be sent over another company's connection; sign and connect as the same company.
    """

    code = "SIGNING_CERTIFICATE_OF_ANOTHER_COMPANY"
    element = "signing certificate"


class TlsCertificateRevokedError(IdentityError):
    """The authority that issued the certificate of the TLS connection has revoked it. Connect with another one."""

    code = "TLS_CERTIFICATE_REVOKED"


class SigningCertificateRevokedError(IdentityError):
    """The authority that issued the certificate which signed the message has revoked it. Sign with another one."""

    code = "SIGNING_CERTIFICATE_REVOKED"


class RevocationUnknownError(IdentityError):
    """The hub has no revocation list of the certificate's authority that is still in force, and lets nobody in unseen.

    Nothing is wrong with the request: send it again later, and tell support if that lasts.
    """

    code = "REVOCATION_UNKNOWN"
    callers_fault = False


class AddressNotAllowedError(IdentityError):
    """The company has said from which IP addresses it calls, and this is none of them (P3).

    Call from one that is listed, or let the hub's operator add the address.
    """

    code = "ADDRESS_NOT_ALLOWED"
    element = "source address"


class DunsMissingError(IdentityError):
    """The certificate acts for several companies and the request names none.

    Put the DUNS number of the company that it acts for in requesterAuthenticationID.
    """

    code = "DUNS_MISSING"
    element = "requesterAuthenticationID"


class DunsUnknownError(IdentityError):
    """The DUNS number in the request is not registered here. Check it, leading zeros included."""

    code = "DUNS_UNKNOWN"
    element = "requesterAuthenticationID"


class DunsNotYoursError(IdentityError):
    """The DUNS number in the request belongs to a company that has not registered this TLS certificate (P1).

    Name one of your own DUNS numbers, or let that company register the certificate.
    """

    code = "DUNS_NOT_YOURS"
    element = "requesterAuthenticationID"


class CompanySuspendedError(IdentityError):
    """The company is suspended: nothing is done for it until the hub's operator lifts that (P10)."""

    code = "COMPANY_SUSPENDED"


class RequesterTypeMismatchError(IdentityError):
    """The requesterType in the request is not what the company is registered as."""

    code = "REQUESTER_TYPE_MISMATCH"
    element = "requesterType"


class StatedReasonMissingError(HubError):
    """A regulator's request states why it is made, in the element reason: 10 to 500 characters. It is kept.

    State it and send the request again. Nothing was ordered or shown.
    """

    code = "STATED_REASON_MISSING"
    element = "reason"


class CompanyUnknownError(HubError):
    """No company has this DUNS number. Add the company first, or check the number, leading zeros included."""

    code = "COMPANY_UNKNOWN"


class CompanyExistsError(HubError):
    """A company of this legal name exists already. Add the DUNS number to it, or choose another name."""

    code = "COMPANY_EXISTS"


class DunsTakenError(HubError):
    """The DUNS number belongs to a company already; a DUNS number names one company."""

    code = "DUNS_TAKEN"


class InvalidCompanyError(HubError):
    """A particular of the company has not the form that it must have. The message names it."""

    code = "INVALID_COMPANY"


class CertificateUnreadableError(HubError):
    """The file is not a readable X.509 certificate. Give one certificate, as PEM or DER, without its private key."""

    code = "CERTIFICATE_UNREADABLE"


class CertificateRefusedError(HubError):
    """The certificate fails a check that every connection runs. See which with: smt-ws check-certificate FILE."""

    code = "CERTIFICATE_REFUSED"


class CertificateOfAnotherError(HubError):
    """The certificate is another company's. If that company acts for this one as its service provider, say so."""

    code = "CERTIFICATE_OF_ANOTHER"


class CertificateNotRegisteredError(HubError):
    """The company has no such certificate registered. List them with: smt-ws company show DUNS."""

    code = "CERTIFICATE_NOT_REGISTERED"


class InvalidNetworkError(HubError):
    """No IP address or network that can be read. Write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48, without host bits."""

    code = "INVALID_NETWORK"


class NetworkNotListedError(HubError):
    """The company's list has no such network. See it with: smt-ws company allow-address list DUNS."""

    code = "NETWORK_NOT_LISTED"


class WeakPasswordError(HubError):
    """The password is too short or too long for an FTPS account: 12 to 128 characters."""

    code = "WEAK_PASSWORD"


class CallbackAddressError(HubError):
    """The callback address cannot be used. Name a full https:// address whose host the public Internet reaches."""

    code = "CALLBACK_ADDRESS"
