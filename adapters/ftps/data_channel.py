# mypy: disallow-subclassing-any=False
"""A data connection, and the moment when an upload is whole.

When is an upload whole? FTP says so by the end of the data connection alone, and TLS tells an end from a cut by its
closing alert (RFC 4217, 12.4). lftp drops that alert whenever its socket is full, so its larger uploads would never be
whole. (It also closes with TLS 1.3's session tickets unread, on which its kernel resets the connection and throws away
what was not sent yet; its data connections use TLS 1.2, which has none here.) Therefore, in this order:

- fewer bytes than the client announced with ALLO, or a connection that was reset: never whole, alert or not;
- the closing alert, or exactly the bytes announced: whole;
- an end without alert and without announcement: if the control connection is still there, and nothing was aborted,
  after a pause, it is taken for whole but *unconfirmed*: somebody in the middle can cut it so. By a setting it is
  marked for the intake (`unconfirmed_uploads`), or discarded. A client that was killed loses both connections.
"""

import logging
import sys
from typing import Any, Final, Literal

from OpenSSL import SSL
from pyftpdlib.handlers import TLS_DTPHandler

from adapters.ftps.tls import expect
from adapters.ftps.upload import Upload

_log = logging.getLogger(__name__)

#: What becomes of an upload whose end the client did not confirm: marked for the intake, or discarded.
Unconfirmed = Literal["report", "refuse"]


_UNCONFIRMED: Final = "The end was not confirmed, neither by TLS's closing alert nor by ALLO"


class DataChannel(TLS_DTPHandler):
    """A data connection: TLS with the control connection's own certificate; uploads appear when they are whole."""

    timeout = 120
    transfer_finished: bool
    _resp: Any
    _asking: Any = None
    _pause: Literal["", "running", "over"] = ""

    def __init__(self, sock: Any, cmd_channel: Any) -> None:
        super().__init__(sock, cmd_channel)
        if not self._closed and not self._ssl_requested:
            self.close()
        if not self._closed:
            seconds = cmd_channel.settings.ask_again
            self._asking = self.ioloop.call_every(seconds, self._ask_again, _errback=self.handle_error)

    def secure_connection(self, ssl_context: SSL.Context) -> None:
        """Start the handshake, which only the control connection's certificate will pass."""
        if self.cmd_channel.client_name.startswith("lftp"):
            ssl_context = self.cmd_channel.server_tls.context(tls12=True)
        super().secure_connection(ssl_context)
        if isinstance(self.socket, SSL.Connection):
            expect(self.socket, self.cmd_channel.peer_sha256)

    def send(self, data: bytes) -> int:
        """Send, but not while a handshake is open: OpenSSL would complete it unseen."""
        return 0 if self._ssl_accepting else int(super().send(data))

    def _ask_again(self) -> None:
        """End a transfer whose company may no longer be here."""
        reply = self.cmd_channel.standing() if not self._closed else ""
        if reply.startswith("421"):  # a store that is away for a moment ends no transfer
            self.transfer_finished = False
            self._resp = (reply, _log.warning)
            self._error = True  # no TLS goodbye to somebody who sends or reads on
            self.close()

    def handle_error(self) -> None:
        """Say what went wrong with a transfer: pyftpdlib's own handler would end it without a word."""
        upload = self.file_obj
        if not self._closed and isinstance(upload, Upload) and upload.refusal:
            self._resp = (upload.refusal, _log.warning)
            self._error = True  # the client may be sending still: no TLS goodbye
            self.close()
            return
        self._resp = self._resp or ("426 Internal error; transfer aborted.", _log.error)
        super().handle_error()

    def close(self) -> None:
        """Close; an upload gets its name first, so that the client's 226 means that the file is safe."""
        upload = self.file_obj
        if self._pause == "running":
            self.transfer_finished = False  # somebody closes before it is over: ABOR, the end of the control connection
        if not self._closed and isinstance(upload, Upload) and self.transfer_finished and not upload.closed:
            reason = self._why_not_whole(upload)
            if reason == "":
                self._wait_for_the_client()
                return
            reply = f"426 {reason}; upload discarded." if reason else self._finish(upload)
            if reply:
                self.transfer_finished = False
                self._resp = (reply, _log.warning)
        if self._asking is not None and not self._asking.cancelled:
            self._asking.cancel()
        super().close()

    def _why_not_whole(self, upload: Upload) -> str | None:
        """None: it is whole; a sentence: it is not; an empty one: that will be seen after a pause."""
        received, announced = self.tot_bytes_received, upload.announced
        if announced is not None and received < announced:
            return f"{received} bytes came of {announced} announced"
        if isinstance(self.socket, SSL.Connection) and self.socket.get_shutdown() & SSL.RECEIVED_SHUTDOWN:
            return None
        # pyftpdlib closes while it handles what OpenSSL raised: a plain end of the stream, or a reset
        ended = sys.exc_info()[1]
        if not (isinstance(ended, SSL.SysCallError) and ended.args[:1] == (-1,)):
            return None if self._pause else "Connection cut before the TLS closing alert"
        if received == announced:
            return None
        return "" if self.cmd_channel.settings.unconfirmed_upload == "report" else _UNCONFIRMED

    def _wait_for_the_client(self) -> None:
        self._pause = "running"
        self._resp = None
        self.del_channel()  # the ended stream would be readable for ever
        self.ioloop.call_later(self.cmd_channel.settings.alertless_pause, self._still_there)

    def _still_there(self) -> None:
        if not self._closed:
            self._pause = "over"
            self.transfer_finished = True
            self._resp = (f"226 Transfer complete. {_UNCONFIRMED}; the report says so.", _log.warning)
            self._error = True  # pyftpdlib's word for: no closing alert of ours to one that has gone without its own
            self.close()

    def modify_ioloop_events(self, events: int, logdebug: bool = False) -> None:
        """Ask for events, but not of a stream that has ended."""
        if not self._pause:
            super().modify_ioloop_events(events, logdebug)

    def _finish(self, upload: Upload) -> str:
        """Give the upload its name; an FTP reply that says why it has none, or nothing."""
        if reply := str(self.cmd_channel.standing()):
            return reply
        try:
            upload.publish(confirmed=not self._pause)
        except OSError as failure:
            return upload.refusal or f"451 {failure.strerror}; upload discarded."
        self.cmd_channel.note_own(upload.name)
        return ""
