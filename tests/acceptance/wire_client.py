"""A caller that sends exactly the bytes it means to: any signature over any connection, as an attacker or a beginner.

zeep would refuse to build most of what is sent here.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from adapters.soap import wssecurity
from adapters.soap.faults import SOAP11, SOAP12
from smt_ws.sandbox.build import COMPANIES, Sandbox
from smt_ws.settings import Settings

PECAN, BLUEBONNET, LANTERN, TDSP, _OTHER_TDSP = (duns for _name, _kind, duns in COMPANIES)
KINDS = {duns: kind for _name, kind, duns in COMPANIES}
COMMON = "{urn:smt-ws:common:1}"


@dataclass(frozen=True)
class Told:
    """What a fault said, read from an answer that the hub signed."""

    code: str
    message: str
    reference: str
    trans_id: str | None
    #: (element, presented, expected)
    findings: tuple[tuple[str | None, str | None, str | None], ...]


@dataclass(frozen=True)
class Answer:
    status: int
    media_type: str
    content: bytes
    soap: str
    hub_certificate: x509.Certificate
    #: Seconds after which the hub wants to be asked again.
    retry_after: int | None = None

    @property
    def body(self) -> etree._Element:
        """The Body's child; the answer was signed by the hub a moment ago."""
        parser = etree.XMLParser(remove_comments=True, resolve_entities=False, no_network=True)
        verified = wssecurity.verify(etree.fromstring(self.content, parser), now=datetime.now(UTC))
        assert verified.certificate == self.hub_certificate
        assert etree.QName(verified.body.getparent()).namespace == self.soap
        assert self.media_type == ("text/xml" if self.soap == SOAP11 else "application/soap+xml")
        return verified.body

    def text(self, name: str) -> str | None:
        """The text of the first element of this local name."""
        return next((one.text for one in self.body.iter(f"{{*}}{name}")), None)

    @property
    def fault(self) -> Told:
        """The fault, in the form that its version of SOAP prescribes."""
        body = self.body
        assert body.tag == f"{{{self.soap}}}Fault", f"answered, not refused: {etree.tostring(body)!r}"
        detail = body.find("detail" if self.soap == SOAP11 else f"{{{SOAP12}}}Detail")
        assert detail is not None
        told = detail.find(f"{COMMON}HubFault")
        assert told is not None
        code = told.findtext(f"{COMMON}code") or ""
        if self.soap == SOAP11:
            sentence = body.findtext("faultstring")
        else:
            sentence = body.findtext(f"{{{SOAP12}}}Reason/{{{SOAP12}}}Text")
            assert body.findtext(f".//{{{SOAP12}}}Subcode/{{{SOAP12}}}Value") == f"c:{code}"
        message = told.findtext(f"{COMMON}message") or ""
        assert sentence == f"{code}: {message}"
        return Told(
            code,
            message,
            told.findtext(f"{COMMON}reference") or "",
            told.findtext(f"{COMMON}trans_id"),
            tuple(
                (
                    one.findtext(f"{COMMON}element"),
                    one.findtext(f"{COMMON}presented"),
                    one.findtext(f"{COMMON}expected"),
                )
                for one in told.iterfind(f"{COMMON}finding")
            ),
        )


def header(
    *, duns: str = PECAN, trans_id: str = "wire", requester_type: str | None = None, terms: str = "Y", prefix: str = "m"
) -> str:
    """The elements that begin every request."""
    values = {
        "trans_id": trans_id,
        "requestorID": "wire",
        "requesterType": requester_type or KINDS.get(duns, "REP"),
        "requesterAuthenticationID": duns,
        "SMTTermsandConditions": terms,
    }
    return "".join(f"<{prefix}:{name}>{value}</{prefix}:{name}>" for name, value in values.items())


def usage(
    esiids: Sequence[str],
    *,
    start: str = "11/01/2026",
    end: str = "11/03/2026",
    report_format: str = "CSV",
    options: str = "",
    delivery_mode: str | None = None,
    operation: str = "RequestIntervalData",
    **of_header: str,
) -> str:
    """A RequestIntervalData, or *operation*; *options* are ready elements between endDate and reportFormat."""
    mode = f"<m:deliveryMode>{delivery_mode}</m:deliveryMode>" if delivery_mode else ""
    return (
        f'<m:{operation} xmlns:m="urn:smt-ws:MeterUsage:1">{header(**of_header)}'
        f"<m:startDate>{start}</m:startDate><m:endDate>{end}</m:endDate>{options}"
        f"<m:reportFormat>{report_format}</m:reportFormat>{mode}"
        f"{''.join(f'<m:esiid>{esiid}</m:esiid>' for esiid in esiids)}</m:{operation}>"
    )


def cancel(correlation_id: str, **of_header: str) -> str:
    """A CancelRequest."""
    return (
        f'<m:CancelRequest xmlns:m="urn:smt-ws:MeterUsage:1">{header(**of_header)}'
        f"<m:correlationId>{correlation_id}</m:correlationId></m:CancelRequest>"
    )


def get_status(correlation_id: str, **of_header: str) -> str:
    """A GetStatus."""
    return (
        f'<m:GetStatus xmlns:m="urn:smt-ws:ReportRequestStatus:1">{header(**of_header)}'
        f"<m:correlationId>{correlation_id}</m:correlationId></m:GetStatus>"
    )


def envelope(body: str, soap: str = SOAP11) -> bytes:
    """An envelope around *body*, unsigned."""
    return f'<e:Envelope xmlns:e="{soap}"><e:Header/><e:Body>{body}</e:Body></e:Envelope>'.encode()


@dataclass(frozen=True)
class WireClient:
    """Signs with any key of the sandbox's folder and sends over a connection with any other.

    Certificates are named by the beginnings of their files, such as ``pecan-energy-tls``.
    """

    sandbox: Sandbox
    settings: Settings
    soap: str = SOAP11

    def tls(self, duns: str = PECAN) -> str:
        return f"{self.sandbox.player(duns).stem}-tls"

    def signing(self, duns: str = PECAN) -> str:
        return f"{self.sandbox.player(duns).stem}-signing"

    def certificate(self, stem: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.sandbox.certificates / f"{stem}.crt").read_bytes())

    def sign(
        self,
        body: str,
        *,
        signer: str | None = None,
        now: datetime | None = None,
        lifetime: timedelta = timedelta(minutes=5),
    ) -> bytes:
        """Sign *body* in an envelope as the owner of the certificate *signer*, at *now*."""
        stem = signer or self.signing()
        key = load_pem_private_key((self.sandbox.certificates / f"{stem}.key").read_bytes(), password=None)
        assert isinstance(key, RSAPrivateKey)
        return wssecurity.sign(
            etree.fromstring(envelope(body, self.soap)),
            key=key,
            certificate=self.certificate(stem),
            now=now or datetime.now(UTC),
            lifetime=lifetime,
        )

    def post(self, message: bytes, *, service: str = "MeterUsage", tls: str | None = None) -> Answer:
        """Send *message* as it is over a connection with the certificate *tls*."""
        certificates, stem = self.sandbox.certificates, tls or self.tls()
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        context.load_cert_chain(certificates / f"{stem}.crt", certificates / f"{stem}.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.settings.soap.port, context=context, timeout=180)
        kind = "text/xml" if self.soap == SOAP11 else "application/soap+xml"
        try:
            connection.request("POST", f"/soap/{service}", message, {"Content-Type": f"{kind}; charset=utf-8"})
            response = connection.getresponse()
            media_type, pause = response.headers.get_content_type(), response.headers["Retry-After"]
            return Answer(
                response.status,
                media_type,
                response.read(),
                self.soap,
                self.certificate("hub-signing"),
                None if pause is None else int(pause),
            )
        finally:
            connection.close()

    def call(
        self, body: str, *, service: str = "MeterUsage", tls: str | None = None, signer: str | None = None
    ) -> Answer:
        """Sign and send."""
        return self.post(self.sign(body, signer=signer), service=service, tls=tls)
