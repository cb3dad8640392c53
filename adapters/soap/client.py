"""A signed zeep client over mutual TLS: for the demo, for tests, and for calls to TDSPs and callbacks.

zeep's own signing adds no Timestamp, defaults to SHA-1, checks answers with the client's own certificate and does not
look at what a signature covers. So zeep keeps contract and values, and security is ours: each request is signed, and
each answer, faults included, is verified before zeep reads it, against certificates named beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import zeep
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from requests.adapters import HTTPAdapter
from zeep.transports import Transport

from adapters.certificate_refused import why_refused
from adapters.soap.wss_failures import SecurityFailure
from adapters.soap.wss_sign import add_security
from adapters.soap.wssecurity import check_bytes, verify

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of one answer; SMT's largest, a list of 50,000 rows, is under 10 MB."""

_ANSWER_TYPES: Final = frozenset({"text/xml", "application/soap+xml"})


class UntrustedAnswer(SecurityFailure):
    """The answer is signed, but by none of the hub's certificates you named: check them against the hub's notice."""

    code = "WSS_UNTRUSTED_SIGNER"


class UnusableAnswer(SecurityFailure):
    """The answer is not a SOAP message that can be verified; whatever sent it was perhaps not the hub."""

    code = "WSS_UNUSABLE_ANSWER"


def connect(
    wsdl: str | Path,
    *,
    address: str | None = None,
    tls_certificate: Path,
    tls_key: Path,
    ca: Path,
    signing_certificate: Path,
    signing_key: Path,
    hub_certificates: Sequence[x509.Certificate],
    timeout: float = 60,
    https: HTTPAdapter | None = None,
) -> zeep.Client:
    """Open a zeep client whose requests are signed and whose answers are verified.

    ``wsdl`` is a file, or an https address that is fetched over the same mutual TLS; ``address`` replaces the
    endpoint that the WSDL names. The certificates and keys are PEM files without a password; ``ca`` alone is trusted
    for TLS, whatever the environment says. ``hub_certificates`` are the signing certificates an answer may carry; they
    must be within their dates. ``timeout`` is in seconds, for connecting and for each read. ``https`` takes the place
    of what ``requests`` connects with (`adapters.guarded_https.PublicHttps`).

    Calls raise SecurityFailure where the answer cannot be trusted, ``zeep.exceptions.Fault`` for a signed fault, and
    ``requests`` exceptions where there was no answer.

    Raises:
        ValueError: no hub certificate is named, or the signing key is not RSA.

    """
    if not hub_certificates:
        raise ValueError("name at least one signing certificate of the hub: without one, no answer can be trusted")
    key = serialization.load_pem_private_key(Path(signing_key).read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{signing_key} does not hold an RSA key")  # noqa: TRY004 - a wrong file, not a wrong type
    certificate = x509.load_pem_x509_certificate(Path(signing_certificate).read_bytes())
    session = requests.Session()
    # else REQUESTS_CA_BUNDLE, proxies and .netrc of the environment would override what is said here
    session.trust_env = False
    session.cert = (str(tls_certificate), str(tls_key))
    session.verify = str(ca)
    session.max_redirects = 0
    if https is not None:
        session.mount("https://", https)
    transport = _CarefulTransport(  # type: ignore[no-untyped-call]
        session=session, timeout=timeout, operation_timeout=timeout
    )
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_entities=True, xml_huge_tree=False)
    client = zeep.Client(  # type: ignore[no-untyped-call]  # zeep is annotated in part
        str(wsdl),
        wsse=SignedMessages(key=key, certificate=certificate, hub_certificates=hub_certificates),
        transport=transport,
        settings=settings,
    )
    if address is not None:
        for service in client.wsdl.services.values():
            for port in service.ports.values():
                port.binding_options["address"] = address
    return client


class SignedMessages:
    """zeep's ``wsse`` plug-in: signs what goes out, verifies what comes in. Fails closed."""

    def __init__(
        self,
        *,
        key: rsa.RSAPrivateKey,
        certificate: x509.Certificate,
        hub_certificates: Sequence[x509.Certificate],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._key = key
        self._certificate = certificate
        self._hub_certificates = tuple(hub_certificates)
        self._now = now

    def apply(self, envelope: etree._Element, headers: dict[str, str]) -> tuple[etree._Element, dict[str, str]]:
        """Sign the outgoing envelope; zeep serialises it next, without re-indenting."""
        add_security(envelope, key=self._key, certificate=self._certificate, now=self._now())
        return envelope, headers

    def verify(self, envelope: etree._Element) -> etree._Element:
        """Verify the incoming envelope, which zeep reads next.

        Raises:
            SecurityFailure: unsigned, changed, stale, or signed by a certificate that was not named or is not in date.

        """
        now = self._now()
        signer = verify(envelope, now=now).certificate
        if signer not in self._hub_certificates:
            raise UntrustedAnswer(f"the answer is signed by {_name(signer)}, which is not a hub certificate you named")
        if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
            raise UntrustedAnswer(f"the answer is signed by {_name(signer)}, which is not within its dates")
        return envelope


class _CarefulTransport(Transport):
    """zeep's transport, which passes on only what the plug-in will see whole: one plain XML message of bounded size."""

    def post(self, address: str, message: Any, headers: dict[str, str]) -> requests.Response:
        """Send a request.

        Raises:
            UnusableAnswer: an answer that redirects, without content, in parts (MTOM), not XML, or too large.

        """
        try:
            response = self.session.post(
                address, data=message, headers=headers, timeout=self.operation_timeout, stream=True
            )
        except requests.TooManyRedirects as error:
            raise UnusableAnswer("the answer is a redirect; expected signed XML from the address called") from error
        except requests.exceptions.SSLError as error:
            if (why := why_refused(error)) is None:
                raise
            raise requests.exceptions.SSLError(f"{urlsplit(address).netloc}: {why}") from error
        with response:
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if media_type not in _ANSWER_TYPES:
                # an empty type too: zeep would take HTTP 202 without content for an answer that nobody signed
                raise UnusableAnswer(
                    f"the answer is HTTP {response.status_code} of type {media_type[:60]!r}; expected signed XML"
                )
            content = bytearray()
            for chunk in response.iter_content(65_536):
                content += chunk
                if len(content) > MAX_ANSWER:
                    raise UnusableAnswer(f"the answer is larger than {MAX_ANSWER} bytes")
        if not content:
            raise UnusableAnswer(f"the answer is HTTP {response.status_code} without content; expected signed XML")
        answer = bytes(content)
        check_bytes(answer)
        # requests has no public way to hand back a body that was read in pieces
        response._content = answer
        return response


def _name(certificate: x509.Certificate) -> str:
    return repr(certificate.subject.rfc4514_string()[:120])
