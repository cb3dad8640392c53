"""The WSGI callable in front of every SOAP service: what does not look like a SOAP message never reaches Spyne.

Outside SOAP (plain text, 4xx): wrong path, method, content type, charset, content coding, length. Inside SOAP:
everything else, and as a last resort any exception, as a signed fault with a reference number. The published WSDL and
XSD files are served as they stand in the repository; only the WSDL's address is set, from the configuration and never
from the Host header.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from lxml import etree

from adapters.soap import faults
from adapters.soap.admission import Admission
from adapters.soap.exchange import NOTES, ExchangeRecord, Notes
from adapters.soap.protocol import MESSAGE

__all__ = ["Endpoint", "Gate", "Limits", "WsgiApp"]

log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_ADDRESS: Final = re.compile(rb'(<soap(?:12)?:address\s+location=")[^"]*(")')
_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'\s*;\s*({_NAME})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_NAME}))\s*')
_MEDIA_TYPE: Final = re.compile(rf"\s*({_NAME}/{_NAME})\s*")
_XSD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*\.xsd")


@dataclass(frozen=True)
class Limits:
    """What a process takes on, before anything looks at a message. What one may hold inside: ``wss_shape``."""

    #: 50,000 ESI IDs in long tags are 2.5 MB; 100 MB would cost memory that other requests need.
    message_bytes: int = 8 * 1024 * 1024
    #: Long messages handled at once: a tree and its copies take several times the bytes.
    bytes_in_hand: int = 16 * 1024 * 1024
    #: How long a request may wait for a thread in a burst.
    queue_seconds: float = 2.0


class Endpoint(NamedTuple):
    """One service at one path: its two applications and its published WSDL."""

    soap11: WsgiApp
    soap12: WsgiApp
    wsdl: Path


class _BusyAnswer(NamedTuple):
    until: float
    #: Names all refusals of its second in the log.
    reference: str
    retry_after: int
    signed: bytes


class _Outside(Exception):  # noqa: N818 - an answer, not an error
    """Answered outside SOAP: *status* line, a sentence, further headers."""

    def __init__(self, status: str, sentence: str, *headers: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


class Gate:
    """Routes ``/soap/…`` to services, ``?wsdl`` and ``/xsd/…`` to files, and *routes* to what the caller mounts."""

    def __init__(
        self,
        services: Mapping[str, Endpoint | tuple[WsgiApp, WsgiApp, Path]],
        *,
        base_url: str,
        xsd_dir: Path,
        sign: Callable[[etree._Element], bytes],
        limits: Limits | None = None,
        on_exchange: Callable[[ExchangeRecord], None] | None = None,
        routes: Mapping[str, WsgiApp] | None = None,
        waited: Callable[[Environ], float] = lambda _environ: 0.0,
        address: Callable[[Environ], str | None] = lambda environ: environ.get("REMOTE_ADDR"),
        close_after: Callable[[Environ], None] = lambda _environ: None,
        support: str | None = None,
    ) -> None:
        """Serve *services* by path. *base_url* (``https://host:5200``) goes into the WSDLs; *sign* is for last resorts.

        *waited* says how long a request has waited for its thread, in seconds, *address* where it came from;
        *close_after* ends the connection after this answer. *support* is whom faults tell to ask (P11).

        The folder of a service's path should be one deep (``/soap/MeterUsage``): the WSDL's relative import
        ``../xsd/…`` then leads to ``/xsd/…`` for every client.
        """
        self._services = {path: Endpoint(*endpoint) for path, endpoint in services.items()}
        self._limits = limits or Limits()
        self._sign, self._support = sign, support
        self._on_exchange = on_exchange
        self._routes = dict(routes or {})
        self._waited, self._address, self._close_after = waited, address, close_after
        self._admission = Admission(queue_seconds=self._limits.queue_seconds, bytes_in_hand=self._limits.bytes_in_hand)
        self._busy_answers: dict[bool, _BusyAnswer] = {}
        self._files = {
            f"/xsd/{path.name}": path.read_bytes()
            for path in sorted(xsd_dir.glob("*.xsd"))
            if _XSD_NAME.fullmatch(path.name)
        }
        self._wsdls = {
            path: _with_address(endpoint.wsdl.read_bytes(), base_url.rstrip("/") + path)
            for path, endpoint in self._services.items()
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        path = environ.get("PATH_INFO", "")
        if path in self._routes:
            return self._routes[path](environ, start_response)
        started = time.perf_counter()
        seen: dict[str, Any] = {"status": 500, "in": 0}
        environ[NOTES] = notes = Notes()
        waited = self._waited(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            seen["status"] = int(status[:3])
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        try:
            answer = self._answer(environ, start, seen, waited)
        except _Outside as outside:
            answer = _plain(start, outside)
        except faults.HubBusy as busy:
            answer = self._busy(environ, start, notes, busy)
        except Exception as exc:
            answer = self._last_resort(environ, start, notes, exc)
        if self._on_exchange is not None:
            record = ExchangeRecord(
                path=path[:200],
                method=str(environ.get("REQUEST_METHOD"))[:16],
                status=seen["status"],
                bytes_in=seen["in"],
                bytes_out=len(answer),
                seconds=time.perf_counter() - started,
                waited=waited,
                address=self._address(environ),
                operation=notes.operation,
                fault=notes.fault,
                reference=notes.reference,
                caller=notes.caller,
                stages=notes.stages,
            )
            try:
                self._on_exchange(record)
            except Exception:
                log.exception("the record of an exchange was lost")
        return [answer] if environ.get("REQUEST_METHOD") != "HEAD" else [b""]

    def _answer(self, environ: Environ, start: StartResponse, seen: dict[str, Any], waited: float) -> bytes:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        endpoint = self._services.get(path)
        if endpoint is None:
            if (document := self._files.get(path)) is None:
                raise _Outside("404 Not Found", "No service here. The addresses are in the WSDLs of the starter kit.")
            if method not in {"GET", "HEAD"}:
                raise _Outside("405 Method Not Allowed", "A schema can only be read.", ("Allow", "GET, HEAD"))
            return _document(start, document)
        if method in {"GET", "HEAD"} and environ.get("QUERY_STRING", "").lower() in {"wsdl", "wsdl="}:
            return _document(start, self._wsdls[path])
        if method != "POST":
            raise _Outside(
                "405 Method Not Allowed", "Send SOAP by POST; GET ?wsdl gives the contract.", ("Allow", "POST")
            )
        soap12 = self._content_type(environ)
        environ["adapters.soap.soap12"] = soap12
        self._admission.in_time(waited)
        message = None
        if (length := self._declared_length(environ)) is None:  # chunked: its length is known when it is here
            message = self._read(environ, None)
            length = len(message)
        with self._admission.room_for(length):
            environ[MESSAGE] = self._read(environ, length) if message is None else message
            seen["in"] = length
            environ[NOTES].lap("read")
            application = endpoint.soap12 if soap12 else endpoint.soap11
            return b"".join(application(environ, start))

    @staticmethod
    def _content_type(environ: Environ) -> bool:
        """Return whether the message is SOAP 1.2; leave its ``action`` in *environ*."""
        sentence = "Send text/xml (SOAP 1.1) or application/soap+xml (SOAP 1.2), charset utf-8, without content coding."
        refused = _Outside("415 Unsupported Media Type", sentence, ("Accept", "text/xml, application/soap+xml"))
        given = environ.get("CONTENT_TYPE") or ""
        media = _MEDIA_TYPE.match(given)
        if media is None or media[1].lower() not in {"text/xml", "application/soap+xml"}:
            raise refused
        parameters: dict[str, str] = {}
        at = media.end()
        while at < len(given):
            part = _PARAMETER.match(given, at)
            if part is None or part[1].lower() in parameters:
                raise refused
            parameters[part[1].lower()] = part[3] if part[2] is None else part[2]
            at = part.end()
        # a charset other than the parser's would let one message be read in two ways
        if parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
            raise refused
        if (environ.get("HTTP_CONTENT_ENCODING") or "identity").strip().lower() != "identity":
            raise refused
        environ["adapters.soap.action"] = parameters.get("action", "")
        return media[1].lower() == "application/soap+xml"

    def _declared_length(self, environ: Environ) -> int | None:
        """Return the Content-Length, within the limit; None for chunked transfer coding."""
        declared = environ.get("CONTENT_LENGTH")
        if declared is None or declared == "":
            if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
                raise _Outside("411 Length Required", "Send Content-Length, or chunked transfer coding.")
            return None
        if not re.fullmatch(r"[0-9]{1,12}", declared):
            raise _Outside("400 Bad Request", "Content-Length is not a number of bytes.")
        if int(declared) > self._limits.message_bytes:
            raise self._too_long()
        return int(declared)

    def _too_long(self) -> _Outside:
        cap = self._limits.message_bytes
        return _Outside("413 Content Too Large", f"A message may have {cap:,} bytes. Split the request.")

    def _read(self, environ: Environ, length: int | None) -> bytes:
        cap = self._limits.message_bytes
        try:
            # one byte more than allowed tells too long from just long enough
            message: bytes = environ["wsgi.input"].read(cap + 1 if length is None else length)
        except MemoryError:
            raise
        except Exception as exc:
            # Whatever the server's reader raises, it is of the connection: a bad chunk, a pause, an end.
            self._close_after(environ)
            log.info("a message did not arrive: %s", type(exc).__name__)
            if isinstance(exc, TimeoutError):
                raise _Outside("408 Request Timeout", "The message did not arrive in time. Send it again.") from None
            raise _Outside("400 Bad Request", "The message did not arrive whole, or its chunks are wrong.") from None
        if length is None and len(message) > cap:
            raise self._too_long()
        if length is not None and len(message) != length:
            self._close_after(environ)
            raise _Outside("400 Bad Request", "The message ended before its Content-Length.")
        if not message:
            raise _Outside("400 Bad Request", "The message is empty.")
        return message

    def _busy(self, environ: Environ, start: StartResponse, notes: Notes, busy: faults.HubBusy) -> bytes:
        """Say that the hub is busy, with an answer signed at most once a second: a refusal must cost nearly nothing."""
        soap12 = bool(environ.get("adapters.soap.soap12"))
        answer = self._busy_answers.get(soap12)
        if answer is None or time.monotonic() > answer.until:
            reference = faults.new_reference()
            told = faults.telling(busy, reference=reference, trans_id=None, registered=True, support=self._support)
            signed = self._sign(faults.envelope(told, soap=faults.SOAP12 if soap12 else faults.SOAP11))
            answer = _BusyAnswer(time.monotonic() + 1.0, reference, busy.retry_after, signed)
            self._busy_answers[soap12] = answer
        notes.fault, notes.reference = busy.code, answer.reference
        start(
            "503 Service Unavailable",
            [*_soap_headers(soap12, answer.signed), ("Retry-After", str(answer.retry_after))],
        )
        return answer.signed

    def _last_resort(self, environ: Environ, start: StartResponse, notes: Notes, exc: Exception) -> bytes:
        """Say a refusal of the gate, or an error that nothing below caught, as a signed fault; never with details."""
        reference = faults.new_reference()
        told = faults.telling(exc, reference=reference, trans_id=None, registered=False, support=self._support)
        notes.fault, notes.reference = told.code, reference
        soap12 = bool(environ.get("adapters.soap.soap12"))
        if isinstance(exc, faults.Fault) and exc.callers_fault:
            log.info("refused with %s, reference %s", told.code, reference)
        else:
            log.error("failed with %s, reference %s", told.code, reference, exc_info=exc)
        try:
            signed = self._sign(faults.envelope(told, soap=faults.SOAP12 if soap12 else faults.SOAP11))
        except Exception:
            log.exception("the fault %s could not be signed", reference)
            return _plain(start, _Outside("500 Internal Server Error", f"The hub failed. Reference {reference}."))
        status = "400 Bad Request" if soap12 and told.callers_fault else "500 Internal Server Error"
        start(status, _soap_headers(soap12, signed))
        return signed


def _with_address(wsdl: bytes, address: str) -> bytes:
    """Return *wsdl* with every port's address set to *address*; nothing else is touched."""
    escaped = address.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").encode()
    served, count = _ADDRESS.subn(lambda hit: hit[1] + escaped + hit[2], wsdl)
    if count == 0:
        raise ValueError("the WSDL has no soap:address to set")
    return served


def _soap_headers(soap12: bool, content: bytes) -> list[tuple[str, str]]:
    kind = "application/soap+xml" if soap12 else "text/xml"
    return [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(content)))]


def _document(start: StartResponse, content: bytes) -> bytes:
    start(
        "200 OK",
        [
            ("Content-Type", "text/xml; charset=utf-8"),
            ("Content-Length", str(len(content))),
            ("X-Content-Type-Options", "nosniff"),
        ],
    )
    return content


def _plain(start: StartResponse, outside: _Outside) -> bytes:
    content = f"{outside}\n".encode()
    start(
        outside.status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(content))), *outside.headers],
    )
    return content
