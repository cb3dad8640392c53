"""Spyne with three of its jobs taken away: parsing, validating, and saying what went wrong.

Spyne keeps the declared model, dispatch and the serialising of answers. A mixin over ``Soap11`` and ``Soap12`` does one
hardened parse, verifies the signature on that tree, asks who the caller is, holds the request against the published XSD
and hands big lists to the service as plain strings. Every answer and every fault is signed.

Stock Spyne decodes by the HTTP charset, reads a tree that nobody verified, ignores SOAPAction and mustUnderstand, lets
many errors escape as bare HTTP 500 and writes typed fault members outside ``detail``.
"""

# ruff: noqa: I001 - the shim must be imported before Spyne
from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree

from adapters.soap import spyne_compat  # noqa: F401
from spyne import Application, Boolean, DateTime, Decimal, Integer, const
from spyne.model.fault import Fault as SpyneFault
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

from adapters.soap import faults, wssecurity
from adapters.soap.addressing import Addressing, addressed, check_addressing
from adapters.soap.contract import Contract, Judged
from adapters.soap.exchange import NOTES, Notes
from adapters.soap.findings import place_of
from adapters.soap.parsing import check_understood, parse, trans_id_of
from adapters.soap.values import Unreadable, UnreadableValue, read_boolean, read_decimal, read_integer, read_moment

__all__ = ["MESSAGE", "Call", "Environ", "Hooks", "build_service"]

log = logging.getLogger(__name__)

# Spyne collects garbage after a request, at most once a second, for the sake of open files. There are none here, and
# what a large request leaves is cleared by name (_Wsgi): the collection would cost a third of accepting an order.
const.MIN_GC_INTERVAL = float("inf")

Environ = dict[str, Any]

#: environ key: the whole message as bytes, read once by the gate.
MESSAGE: Final = "adapters.soap.message"
_CONTEXTS: Final = "adapters.soap.contexts"
_JUDGED: Final = "adapters.soap.judged"
#: environ key: what the signed WS-Addressing headers of the request say, where there are any.
_ADDRESSING: Final = "adapters.soap.addressing"
#: Read by us: Spyne's own readers lose blanks, signs and midnight, and bound numbers by their characters.
_READERS: Final = {Boolean: read_boolean, DateTime: read_moment, Decimal: read_decimal, Integer: read_integer}


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Hooks:
    """What the owner of a service decides. None of it may trust anything in *environ* that the client wrote."""

    #: Who is calling: any object of the owner's, or an exception with a ``code``. Runs after the signature was verified
    #: and before the request is validated, so it reads ``verified.body`` with care.
    authenticate: Callable[[wssecurity.Verified, Environ], object]
    #: Whether the TLS certificate of this connection is registered; only such a caller is told details of a fault.
    is_registered: Callable[[Environ], bool]
    #: Key and certificate that sign answers; asked for each answer, so that a renewed one is used at once.
    signer: Callable[[], tuple[RSAPrivateKey, x509.Certificate]]
    #: Security time: real UTC.
    now: Callable[[], datetime] = _utc_now
    policy: wssecurity.Policy = field(default_factory=wssecurity.Policy)
    #: Whom faults tell to ask (P11).
    support: str | None = None
    #: Where the services are, without their paths (``https://host:5200``): a signed wsa:To must be below one.
    base_urls: Sequence[str] = ()
    #: Finds a registered certificate by issuer (RFC 4514) and serial, for requests signed without a token.
    certificates: Callable[[str, int], x509.Certificate | None] | None = None

    def sign(self, envelope: etree._Element, headers: Sequence[etree._Element] = ()) -> bytes:
        """Sign *envelope* and these *headers* of it now, and return it serialised."""
        key, certificate = self.signer()
        return wssecurity.sign(envelope, key=key, certificate=certificate, now=self.now(), headers=headers)


@dataclass(frozen=True)
class Call:
    """What a service method finds in ``ctx.udc``: who calls what, and the proof."""

    caller: Any
    verified: wssecurity.Verified
    environ: Environ
    operation: str
    trans_id: str

    @cached_property
    def body_digest(self) -> bytes:
        """SHA-256 of the exclusive C14N of the Body's child: names the request's content across re-signed retries.

        Made when first asked for: only operations that change something need it.
        """
        return wssecurity.body_digest(self.verified.body, self.verified.signed_body)


def _read(read: Callable[[str], Any], _type: type, text: str) -> Any:
    return read(text)


class _Carried(SpyneFault):
    """Brings any exception through Spyne, which lets only its own Fault pass."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__("Client" if getattr(cause, "callers_fault", True) else "Server", type(cause).__name__)
        self.cause = cause


def _environ(ctx: Any) -> Environ:
    environ: Environ = ctx.transport.req_env
    return environ


def _notes(environ: Environ) -> Notes:
    notes: Notes = environ[NOTES]
    return notes


class _Protocol:
    """The mixin. *contract* and *hooks* are set by ``build_service``; requests share nothing else."""

    contract: Contract
    hooks: Hooks
    ns_soap_env: str
    app: Any
    _from_unicode_handlers: dict[type, Any]
    get_cls_attrs: Callable[[Any], Any]
    from_unicode: Callable[[Any, str], Any]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for type_, read in _READERS.items():
            self._from_unicode_handlers[type_] = partial(_read, read)

    # -- a request comes in

    def create_in_document(self, ctx: Any, charset: str | None = None) -> None:
        """Parse, verify, authenticate. *charset* is the HTTP header's and is ignored: the gate let UTF-8 alone pass."""
        environ = _environ(ctx)
        environ[_CONTEXTS] = [ctx]
        notes = _notes(environ)
        try:
            wssecurity.check_bytes(environ[MESSAGE])
            root = parse(environ[MESSAGE], soap=self.ns_soap_env)
            ctx.in_document = root
            notes.lap("parse")
            verified = wssecurity.verify(
                root, now=self.hooks.now(), policy=self.hooks.policy, certificates=self.hooks.certificates
            )
            environ[_ADDRESSING] = verified.addressing
            check_understood(root, soap=self.ns_soap_env, addressing=verified.addressing is not None)
            operation = self.contract.operation(verified.body)
            notes.operation = operation
            self._check_action(environ, operation)
            if verified.addressing is not None:
                addresses = [f"{base.rstrip('/')}{environ.get('PATH_INFO', '')}" for base in self.hooks.base_urls]
                check_addressing(verified.addressing, action=self.contract.action(operation), addresses=addresses)
            notes.lap("verify")
            notes.caller = caller = self.hooks.authenticate(verified, environ)
            notes.lap("authenticate")
            ctx.udc = Call(caller, verified, environ, operation, trans_id_of(verified.body) or "")
        except Exception as exc:
            raise _Carried(exc) from exc

    def decompose_incoming_envelope(self, ctx: Any, message: Any = None) -> None:
        """Hold the verified Body against the published schema and name the method for Spyne's dispatch."""
        call: Call = ctx.udc
        try:
            judged = self.contract.judge(call.verified.body, call.operation, call.verified.signed_body)
        except Exception as exc:
            raise _Carried(exc) from exc
        call.environ[_JUDGED] = judged
        ctx.in_header_doc = None
        ctx.in_body_doc = judged.document
        ctx.method_request_string = str(call.verified.body.tag)

    def deserialize(self, ctx: Any, message: Any) -> None:
        """Let Spyne read the small part; hand big lists over as they are (Spyne takes 8 times as long as the parse)."""
        try:
            super().deserialize(ctx, message)  # type: ignore[misc]
            judged: Judged = _environ(ctx)[_JUDGED]
            for name, entries in judged.entries.items():
                setattr(ctx.in_object, name, entries)
        except Exception as exc:
            raise _Carried(exc) from exc
        _notes(_environ(ctx)).lap("validate")

    def base_from_element(self, ctx: Any, cls: Any, element: etree._Element) -> Any:
        """Read a number, a moment or a boolean; of an empty element that the schema let through, its default."""
        if element.text is None:
            return self.get_cls_attrs(cls).default
        try:
            return self.from_unicode(cls, element.text)
        except UnreadableValue as unreadable:
            if self.contract.answers_each:
                return Unreadable(unreadable.presented)
            place = place_of(element)
            raise faults.SchemaViolation(
                findings=[faults.Finding(place, unreadable.presented, unreadable.expected)]
            ) from None

    def _check_action(self, environ: Environ, operation: str) -> None:
        action = environ.get("HTTP_SOAPACTION", "").strip()
        if self.ns_soap_env == faults.SOAP12:
            action = environ.get("adapters.soap.action", "")
        if len(action) >= 2 and action[0] == action[-1] == '"':
            action = action[1:-1]
        expected = self.contract.action(operation)
        if action and action != expected:
            raise faults.ActionMismatch(findings=[faults.Finding("SOAPAction", faults.shown(action), expected)])

    # -- an answer goes out

    def serialize(self, ctx: Any, message: Any) -> None:
        """Make the answer's envelope, or the fault's."""
        notes = _notes(_environ(ctx))
        notes.lap(notes.stage())
        if ctx.out_error is None:
            try:
                super().serialize(ctx, message)  # type: ignore[misc]
            except Exception as exc:  # an answer that does not fit its model must not leave as half of one
                ctx.out_error = _Carried(faults.InternalError())
                ctx.out_error.cause = exc
                ctx.transport.resp_code = self.fault_to_http_response_code(ctx.out_error)
            else:
                notes.lap("write")
                return
        error = ctx.out_error
        cause = error.cause if isinstance(error, _Carried) else error
        if (pause := faults.retry_after(cause)) is not None:
            ctx.transport.resp_headers["Retry-After"] = str(pause)
        ctx.out_document = self._fault(ctx, cause)
        notes.lap("write")

    def _fault(self, ctx: Any, cause: BaseException) -> etree._Element:
        environ = _environ(ctx)
        reference = faults.new_reference()
        told = faults.telling(
            cause,
            reference=reference,
            trans_id=self._trans_id(ctx),
            registered=self._is_registered(environ),
            support=self.hooks.support,
        )
        notes = _notes(environ)
        notes.fault, notes.reference = told.code, reference
        if isinstance(getattr(cause, "code", None), str) and told.callers_fault:
            log.info("refused with %s, reference %s", told.code, reference)
        else:
            log.error("failed with %s, reference %s", told.code, reference, exc_info=cause)
        return faults.envelope(told, soap=self.ns_soap_env)

    def _trans_id(self, ctx: Any) -> str | None:
        if isinstance(ctx.udc, Call):
            return ctx.udc.trans_id or None
        if not isinstance(ctx.in_document, etree._Element):
            return None
        body = ctx.in_document.find(f"{{{self.ns_soap_env}}}Body")
        return trans_id_of(next(body.iterchildren(tag=etree.Element), None)) if body is not None else None

    def _is_registered(self, environ: Environ) -> bool:
        try:
            return self.hooks.is_registered(environ)
        except Exception:  # a store that is down must not make the hub talkative
            log.exception("cannot tell whether the caller is registered")
            return False

    def create_out_string(self, ctx: Any, charset: str | None = None) -> None:
        """Sign, and serialise once. Nothing may touch the document after this."""
        notes = _notes(_environ(ctx))
        notes.lap("write")
        said: Addressing | None = _environ(ctx).get(_ADDRESSING)
        if said is None:
            ctx.out_string = [self.hooks.sign(ctx.out_document)]
        else:
            fault = ctx.out_error and getattr(ctx.out_error, "cause", ctx.out_error)
            action = self.contract.action(notes.operation or "")
            headers = addressed(ctx.out_document, said, action=action, fault=fault)
            ctx.out_string = [self.hooks.sign(ctx.out_document, headers)]
        notes.lap("sign")

    def fault_to_http_response_code(self, fault: Any) -> str:
        """SOAP 1.1 section 6.2: 500. SOAP 1.2 part 2 section 7.5.2: 400 where the sender errs. 503: try again later."""
        cause = getattr(fault, "cause", fault)
        if faults.retry_after(cause) is not None and not getattr(cause, "callers_fault", True):
            return "503 Service Unavailable"
        own = isinstance(getattr(cause, "code", None), str) and getattr(cause, "callers_fault", True)
        if self.ns_soap_env == faults.SOAP12 and own and getattr(cause, "soap_code", None) is None:
            return "400 Bad Request"
        return "500 Internal Server Error"


class _Soap11(_Protocol, Soap11):
    """SOAP 1.1 with the mixin."""


class _Soap12(_Protocol, Soap12):
    """SOAP 1.2 with the mixin."""


class _Application(Application):
    """Spyne's application, with any exception of a service method kept whole until the fault is written."""

    def call_wrapper(self, ctx: Any) -> Any:
        try:
            return super().call_wrapper(ctx)
        except Exception as exc:
            raise _Carried(exc) from exc


class _Wsgi(WsgiApplication):
    """Spyne's WSGI face, emptied after each exchange."""

    def generate_contexts(self, ctx: Any, in_string_charset: str | None = None) -> tuple[Any, ...]:
        contexts = tuple(super().generate_contexts(ctx, in_string_charset))
        _environ(ctx).setdefault(_CONTEXTS, []).extend(contexts)
        return contexts

    def handle_rpc(self, req_env: Environ, start_response: Any) -> Iterable[bytes]:
        req_env.setdefault(NOTES, Notes())
        try:
            return [b"".join(super().handle_rpc(req_env, start_response))]
        finally:
            # contexts hang in reference cycles, and the collector cannot see how large libxml2's trees behind them are:
            # without this a worker stands at 220-250 MB after requests of 50,000 ESI IDs, with it at 74 MB
            for ctx in req_env.pop(_CONTEXTS, ()):
                ctx.in_document = ctx.in_body_doc = ctx.in_header_doc = ctx.in_object = ctx.in_string = None
                ctx.out_document = ctx.out_body_doc = ctx.out_object = ctx.out_string = ctx.udc = None
                ctx.in_error = ctx.out_error = None
            req_env.pop(_JUDGED, None)
            req_env.pop(MESSAGE, None)


def build_service(service_class: type, *, contract: Contract, hooks: Hooks) -> tuple[WsgiApplication, WsgiApplication]:
    """Build the SOAP 1.1 and the SOAP 1.2 application of one service, to stand behind a ``Gate``.

    *service_class* is a plain ``spyne.ServiceBase`` whose methods are declared ``_body_style="bare"`` with one request
    and one response model each. Raises ValueError when its methods are not exactly the contract's operations.
    """
    built = []
    for base in (_Soap11, _Soap12):
        incoming, outgoing = base(parse_xsi_type=False), base()
        for protocol in (incoming, outgoing):
            protocol.contract, protocol.hooks = contract, hooks
        application = _Application(
            [service_class], tns=contract.namespace, name=contract.name, in_protocol=incoming, out_protocol=outgoing
        )
        declared = {key.rpartition("}")[2] for key in application.interface.service_method_map}
        if declared != set(contract.operations):
            raise ValueError(f"{contract.name}: the contract has {contract.operations}, the service {sorted(declared)}")
        built.append(_Wsgi(application, chunked=True))
    return built[0], built[1]
