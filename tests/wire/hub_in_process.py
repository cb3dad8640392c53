"""The real hub's gate over a store, called in this process: every operation, signed, without a socket or a server."""

from __future__ import annotations

import io
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from throwaway_ca import Authority, Identity

from adapters.soap import wssecurity
from adapters.soap.contract import Contract
from adapters.soap.faults import SOAP11
from adapters.soap.gate import Gate
from smt_ws.clock import FixedClock
from smt_ws.han.secrets import new_key
from smt_ws.hub import Hub
from smt_ws.parties.companies import add_company, register_certificate
from smt_ws.settings import Settings
from smt_ws.soap.app import CONTRACTS, SERVICES, application
from smt_ws.store.engine import Store

sys.path.insert(0, str(CONTRACTS / "soapui"))
import sample_requests

HUB_FAULT = "{urn:smt-ws:common:1}HubFault"
REP, TDSP = "111111111", "4444444440000"
#: Values of requests that only a TDSP sends, and of optional elements that the soapUI project leaves out.
VALUES: Mapping[str, Sequence[str]] = {
    **sample_requests.VALUES,
    "trans_id": ["t"],
    "requestorID": ["tests"],
    "SMTTermsandConditions": ["Y"],
    "startDate": ["11/01/2026"],
    "endDate": ["11/07/2026"],
    "fromDate": ["11/01/2026"],
    "toDate": ["11/20/2026"],
    "correlationId": ["1"],
}


@dataclass
class HubInProcess:
    """A gate, the identity of a REP and of a TDSP, and what a test needs to ask with."""

    hub: Hub
    gate: Gate
    identities: Mapping[str, Identity]
    socket: socket.socket
    records: list[Any]

    def post(self, service: str, message: bytes, *, duns: str = REP, **environ: Any) -> tuple[int, bytes]:
        """Send *message* over a connection with the certificate of *duns*; return status and answer."""
        started: list[str] = []
        asked = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": f"/soap/{service}",
            "CONTENT_TYPE": "text/xml; charset=utf-8",
            "CONTENT_LENGTH": str(len(message)),
            "SERVER_NAME": "hub.example",
            "SERVER_PORT": "5200",
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(message),
            "gunicorn.socket": self.socket,
            "HTTP_X_CLIENT_CERT": quote(self.identities[duns].certificate.public_bytes(Encoding.PEM).decode()),
            "HTTP_X_CLIENT_ADDRESS": "192.0.2.1",
        } | environ
        content = b"".join(self.gate(asked, lambda status, _headers, _exc=None: started.append(status)))
        return int(started[-1][:3]), content

    def ask(self, service: str, body: str | bytes, *, duns: str = REP, soap: str = SOAP11) -> etree._Element:
        """Sign *body*, send it, and return what came as the Body's child, its signature verified."""
        inner = body.encode() if isinstance(body, str) else body
        root = etree.fromstring(b'<e:Envelope xmlns:e="%s"><e:Body>%s</e:Body></e:Envelope>' % (soap.encode(), inner))
        who = self.identities[duns]
        message = wssecurity.sign(root, key=who.key, certificate=who.certificate, now=datetime.now(UTC))
        kind = "text/xml" if soap == SOAP11 else "application/soap+xml"
        _, content = self.post(service, message, duns=duns, CONTENT_TYPE=kind)
        parser = etree.XMLParser(remove_comments=True, resolve_entities=False)
        return wssecurity.verify(etree.fromstring(content, parser), now=datetime.now(UTC)).body


def fault_code(answer: etree._Element) -> str | None:
    """The code of the typed fault in *answer*; None where it is none."""
    told = next(answer.iter(HUB_FAULT), None)
    return None if told is None else told.findtext("{urn:smt-ws:common:1}code")


def contract_of(service: str) -> Contract:
    return Contract(CONTRACTS / "wsdl" / f"{service}.wsdl", CONTRACTS / "xsd" / f"{service}.xsd")


def operations() -> list[tuple[str, str]]:
    """Every operation that the hub serves, with its service."""
    return [(service, operation) for service in SERVICES for operation in contract_of(service).operations]


@contextmanager
def hub_in_process(store: Store, folder: Path, clock: FixedClock, **settings: Any) -> Iterator[HubInProcess]:
    """A hub over *store* with a REP and a TDSP, each with one certificate for TLS and signing."""
    ca = Authority("ca", folder)
    own = ca.issue("hub")
    keys = folder / "install-code-keys"
    keys.write_text(new_key() + "\n")
    made = Settings.model_validate(
        {
            "work_folder": folder / "work",
            "environment": "sandbox",
            "ftps": {"root": folder / "ftps"},
            "han": {"install_code_keys": keys},
            "tls": {"signing_key": own.key_path, "signing_certificate": own.path, "client_authorities": ca.path},
            **settings,
        }
    )
    hub = Hub(settings=made, store=store, clock=clock)
    identities = {}
    for name, kind, duns in (("rep", "REP", REP), ("tdsp", "TDSP", TDSP)):
        identities[duns] = ca.issue(name)
        add_company(store, legal_name=name, kind=kind, email=f"it@{name}.example", duns=[duns], actor="t", clock=clock)
        register_certificate(
            store,
            duns=duns,
            content=identities[duns].path.read_bytes(),
            for_tls=True,
            for_signing=True,
            authorities=[ca.certificate],
            environment="sandbox",
            actor="t",
            clock=clock,
        )
    records: list[Any] = []
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        yield HubInProcess(hub, application(hub, on_exchange=records.append), identities, here, records)
