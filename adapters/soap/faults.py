"""What a SOAP peer is told when its message is refused, and the classes for what this layer itself refuses.

Any exception with a string attribute ``code`` is a refusal that may be told to the caller: ``str(exc)`` is the
sentence; ``callers_fault``, ``expected``, ``presented``, ``rule`` and ``findings`` are read when they exist. Every
other exception is an internal error, of which only the reference number leaves the hub.

SOAP 1.1 section 4.4, SOAP 1.2 part 1 section 5.4; the detail entry is ``HubFault`` of ``xsd/common.xsd``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from lxml import etree

__all__ = [
    "COMMON",
    "SOAP11",
    "SOAP12",
    "ActionMismatch",
    "EnvelopeRefused",
    "Fault",
    "Finding",
    "HubBusy",
    "InternalError",
    "MalformedXml",
    "MustUnderstandRefused",
    "SchemaViolation",
    "Telling",
    "TooManyElements",
    "TooManyEsiids",
    "UnknownOperation",
    "VersionMismatch",
    "envelope",
    "new_reference",
    "retry_after",
    "shown",
    "telling",
]

SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12: Final = "http://www.w3.org/2003/05/soap-envelope"
COMMON: Final = "urn:smt-ws:common:1"
_XML_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_MAX_TOLD: Final = 200
_MAX_SHOWN: Final = 120
_MAX_FINDINGS: Final = 20


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a message: where (``esiid[17]``), what stood there, what was expected."""

    element: str | None = None
    presented: str | None = None
    expected: str | None = None
    #: Whether *presented* is the value itself, and not what is said of it.
    quoted: bool = True

    def sentence(self) -> str:
        """The finding on one line, for stacks that show the fault string alone."""
        if self.presented is None and self.expected is None:
            return f"See {self.element}." if self.element else ""
        said = self.presented or ""
        if self.presented is not None and self.quoted:
            said = f"presented {said!r}"
        wanted = "" if self.expected is None else f"expected {self.expected}"
        where = f"{self.element}: " if self.element else ""
        told = ", ".join(part for part in (said, wanted) if part)
        return f"{where or told[:1].upper()}{told if where else told[1:]}."


class Fault(Exception):  # noqa: N818 - what SOAP calls it
    """A message was refused before it reached its service."""

    code: ClassVar[str] = "REFUSED"
    #: True where the caller can put it right; False where the hub must.
    callers_fault: ClassVar[bool] = True
    #: The SOAP 1.1 name of the fault code, where it is neither Client nor Server.
    soap_code: ClassVar[str | None] = None

    def __init__(self, message: str | None = None, *, findings: Sequence[Finding] = ()) -> None:
        """Carry *message* (default: the class's docstring on one line) and what was found."""
        super().__init__(message or " ".join((self.__doc__ or "").split()))
        self.findings = tuple(findings)


class MalformedXml(Fault):
    """The message is not well-formed XML in UTF-8, or has a document type, which SOAP forbids. Send plain UTF-8 XML."""

    code = "XML_MALFORMED"


class TooManyElements(Fault):
    """The message has more elements than any request may. Split it into several requests."""

    code = "TOO_MANY_ELEMENTS"


class EnvelopeRefused(Fault):
    """The message is not a SOAP envelope with one operation in its Body. Send Envelope, Header, Body with one child."""

    code = "SOAP_ENVELOPE"


class VersionMismatch(Fault):
    """The Content-Type names one version of SOAP and the Envelope another.

    Send text/xml with a SOAP 1.1 envelope or application/soap+xml with a SOAP 1.2 envelope.
    """

    code = "SOAP_VERSION"
    soap_code = "VersionMismatch"


class MustUnderstandRefused(Fault):
    """A header marked mustUnderstand is none that this hub knows.

    Mark only wsse:Security so, and the headers of WS-Addressing if you sign them.
    """

    code = "SOAP_MUST_UNDERSTAND"
    soap_code = "MustUnderstand"


class ActionMismatch(Fault):
    """The SOAPAction names another operation than the Body. Send the soapAction of the WSDL, or none."""

    code = "SOAP_ACTION"


class UnknownOperation(Fault):
    """The Body names no operation of this service. Check the address and the namespace against the WSDL."""

    code = "UNKNOWN_OPERATION"


class SchemaViolation(Fault):
    """The request does not fit the published XSD. Correct what is named and send it again."""

    code = "SCHEMA_VIOLATION"


class TooManyEsiids(Fault):
    """The request names more ESI IDs than one may (R3). Split it into several requests."""

    code = "TOO_MANY_ESIIDS"


class InternalError(Fault):
    """The hub failed at this request. Nothing is wrong with the message; quote the reference to support."""

    code = "INTERNAL_ERROR"
    callers_fault = False


class HubBusy(Fault):
    """The hub has more requests than it can answer in good time; nothing was done. Send it again after a pause.

    The pause is in the Retry-After header, in seconds. Keep the trans_id when you send it again.
    """

    code = "HUB_BUSY"
    callers_fault = False

    def __init__(self, message: str | None = None, *, retry_after: int = 2) -> None:
        """Ask for a pause of *retry_after* seconds."""
        super().__init__(message or f"The hub is busy; nothing was done. Send it again in {retry_after} seconds.")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Telling:
    """What one fault says: see ``HubFault`` in ``xsd/common.xsd``."""

    code: str
    message: str
    reference: str
    callers_fault: bool
    soap_code: str | None = None
    trans_id: str | None = None
    findings: tuple[Finding, ...] = ()


def new_reference() -> str:
    """Make a number that names one fault in the log: 16 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(8)


def retry_after(exc: BaseException) -> int | None:
    """The seconds after which the caller should try again, of a refusal that is about the moment; else None.

    They go into the Retry-After header (RFC 9110 section 10.2.3); where the hub is at fault the status is 503.
    """
    seconds = getattr(exc, "retry_after", None)
    return seconds if isinstance(seconds, int) else None


def shown(uri: str) -> str:
    """A URI or a qualified name as it is quoted: of a long one its end, which tells it from others."""
    return uri if len(uri) <= _MAX_SHOWN else f"…{uri[1 - _MAX_SHOWN :]}"


def telling(
    exc: BaseException, *, reference: str, trans_id: str | None, registered: bool, support: str | None = None
) -> Telling:
    """Decide what the caller learns of *exc*; *support* is whom to ask (P11).

    To a caller whose TLS certificate is not *registered* that is the code, the reference and *support* alone
    (interfaces.md, "Fault detail").
    """
    code = getattr(exc, "code", None)
    if not isinstance(code, str):
        exc = InternalError()
        code = exc.code
    callers_fault = bool(getattr(exc, "callers_fault", True))
    soap_code = getattr(exc, "soap_code", None)
    if not registered:
        message = f"Refused. Quote the reference to support{f' ({support})' if support else ''}."
        return Telling(code, message, reference, callers_fault, soap_code)
    findings: tuple[Finding, ...] = tuple(getattr(exc, "findings", ()))
    expected, presented = getattr(exc, "expected", None), getattr(exc, "presented", None)
    if not findings and (expected or presented):
        findings = (Finding(getattr(exc, "element", None), presented, expected, quoted=False),)
    rule = getattr(exc, "rule", None)
    message = f"{exc} (BSP 1.1 {rule})" if isinstance(rule, str) and rule not in str(exc) else str(exc)
    message = f"{message}{_of_findings(message, findings)}"
    if support:
        message += f" Questions: {support}, reference {reference}."
    return Telling(code, message, reference, callers_fault, soap_code, trans_id, findings[:_MAX_FINDINGS])


def _of_findings(message: str, findings: Sequence[Finding]) -> str:
    """What *message* does not say yet of the first finding, and how many more there are."""
    if not findings:
        return ""
    first = findings[0]
    told = all(part is None or part in message for part in (first.element, first.presented, first.expected))
    more = len(findings) - 1
    others = "" if not more else f" {more} more {'is' if more == 1 else 'are'} in the fault's detail."
    return f"{'' if told else f' {first.sentence()}'}{others}"


def _text(value: str) -> str:
    """Return *value* as XML text: no control characters, not longer than a person reads."""
    kept = "".join(ch if ch.isprintable() else "�" for ch in value)
    return kept if len(kept) <= _MAX_TOLD else kept[: _MAX_TOLD - 1] + "…"


def _detail(parent: etree._Element, told: Telling) -> None:
    entry = etree.SubElement(parent, f"{{{COMMON}}}HubFault", nsmap={"c": COMMON})
    etree.SubElement(entry, f"{{{COMMON}}}code").text = told.code
    # a sentence of ours may be long; what it quotes from the message was cut where it was quoted
    etree.SubElement(entry, f"{{{COMMON}}}message").text = "".join(c if c.isprintable() else " " for c in told.message)
    etree.SubElement(entry, f"{{{COMMON}}}reference").text = told.reference
    if told.trans_id is not None:
        etree.SubElement(entry, f"{{{COMMON}}}trans_id").text = _text(told.trans_id)
    for found in told.findings:
        finding = etree.SubElement(entry, f"{{{COMMON}}}finding")
        for name in ("element", "presented", "expected"):
            value = getattr(found, name)
            if value is not None:
                etree.SubElement(finding, f"{{{COMMON}}}{name}").text = _text(str(value))


def envelope(told: Telling, *, soap: str) -> etree._Element:
    """Build the fault's envelope, unsigned, in the version of SOAP that *soap* (a namespace) names."""
    root = etree.Element(f"{{{soap}}}Envelope", nsmap={"soap": soap})
    body = etree.SubElement(root, f"{{{soap}}}Body")
    fault = etree.SubElement(body, f"{{{soap}}}Fault")
    sentence = f"{told.code}: {''.join(c if c.isprintable() else ' ' for c in told.message)}"
    if soap == SOAP11:
        name = told.soap_code or ("Client" if told.callers_fault else "Server")
        etree.SubElement(fault, "faultcode").text = f"soap:{name}"
        etree.SubElement(fault, "faultstring").text = sentence
        _detail(etree.SubElement(fault, "detail"), told)
        return root
    code = etree.SubElement(fault, f"{{{soap}}}Code")
    name = told.soap_code or ("Sender" if told.callers_fault else "Receiver")
    etree.SubElement(code, f"{{{soap}}}Value").text = f"soap:{name}"
    subcode = etree.SubElement(code, f"{{{soap}}}Subcode")
    # SOAP 1.2 wants a QName here: the prefix must be bound on the element itself or above
    etree.SubElement(subcode, f"{{{soap}}}Value", nsmap={"c": COMMON}).text = f"c:{told.code}"
    reason = etree.SubElement(fault, f"{{{soap}}}Reason")
    etree.SubElement(reason, f"{{{soap}}}Text", {_XML_LANG: "en"}).text = sentence
    _detail(etree.SubElement(fault, f"{{{soap}}}Detail"), told)
    return root
