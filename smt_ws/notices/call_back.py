"""Calling a company: from a row of the outbox to a signed call of its RequesterCallback, and its verified answer.

The ``trans_id`` comes from the event's key, so a call that is made twice (the outbox delivers at least once) is
recognisable as the same.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Final

import structlog
import zeep
import zeep.exceptions
from cryptography.hazmat.primitives import hashes

from adapters.guarded_https import PublicHttps
from adapters.soap.client import UnusableAnswer, connect
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.parties.callback import Callee, callee
from smt_ws.store import audit
from smt_ws.store.outbox import Refused

__all__ = ["CONTRACT", "CallBack"]

log = structlog.get_logger("smt_ws.callback")

#: What a company serves to be called, in a checkout and in an installation alike.
CONTRACT: Final = Path(__file__).resolve().parents[2] / "wsdl" / "RequesterCallback.wsdl"


class CallBack:
    """The outbox handler of kind ``callback`` (`smt_ws.notices.callbacks.announce`)."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        #: A client costs a tenth of a second to make: one a company, until its address or certificates change.
        self._clients: dict[int, tuple[tuple[str, ...], zeep.Client]] = {}
        self._lock = Lock()

    def __call__(self, payload: dict[str, Any]) -> None:
        """Make one call; returning means that the company's server has taken it.

        A company that has cleared its address, or is suspended, is not called, and that is the end of it. Raises
        `Refused` where the server answers that it will not take this; OSError where it is down or is no SOAP server;
        `SecurityFailure` for an answer that cannot be trusted: for all of them the outbox tries again.
        """
        company_id, operation = payload["company_id"], payload["operation"]
        with self._hub.store.read() as connection:
            found = callee(connection, company_id, now=real_now())
        if found is None:
            log.info("callback_dropped", company=company_id, key=payload["key"])
            return
        if not found.signing_certificates:
            raise Refused("the company has no signing certificate in force, so that no answer could be trusted")
        service = self._client(company_id, found).service
        try:
            answer = service[operation](trans_id=_trans_id(payload["key"]), **payload["fields"])
        except zeep.exceptions.Fault as fault:
            raise Refused(f"fault: {fault.message}") from fault
        except UnusableAnswer as error:
            # A page of HTML that says "maintenance" is a server that is down.
            raise ConnectionError(str(error)) from error
        if answer.statusCode != "0":
            raise Refused(f"{answer.statusCode}: {answer.statusReason}")
        with self._hub.store.write() as connection:
            audit.record(
                connection,
                audit.Event.CALLBACK_ANSWERED,
                actor="hub:outbox",
                at=self._hub.clock.now(),
                object=f"company:{company_id}",
                details={"operation": operation, "event": payload["key"]},
            )

    def _client(self, company_id: int, found: Callee) -> zeep.Client:
        described = (found.url, *(c.fingerprint(hashes.SHA256()).hex() for c in found.signing_certificates))
        with self._lock:
            known = self._clients.get(company_id)
            if known is None or known[0] != described:
                known = self._clients[company_id] = (described, self._connect(found))
            return known[1]

    def _connect(self, found: Callee) -> zeep.Client:
        settings = self._hub.settings
        tls = settings.tls
        return connect(
            CONTRACT,
            address=found.url,
            tls_certificate=tls.certificate,
            tls_key=tls.key,
            ca=settings.callbacks.authorities or tls.client_authorities,
            signing_certificate=tls.signing_certificate,
            signing_key=tls.signing_key,
            hub_certificates=found.signing_certificates,
            timeout=settings.callbacks.timeout_seconds,
            https=None if settings.environment == "sandbox" else PublicHttps(),
        )


def _trans_id(key: str) -> str:
    # A transaction id has at most 64 characters.
    return key if len(key) <= 64 else sha256(key.encode()).hexdigest()
