# mypy: disallow-subclassing-any=False
"""One client's session: pyftpdlib's command channel, hardened.

What pyftpdlib 2.2 leaves open and this module closes: commands sent in the clear behind `AUTH TLS` are executed;
`PROT C` after `PASV` gives a clear data channel; any certificate of the authorities may open the data connection; data
is sent before a pending handshake has been judged; a data connection that is cut counts as a complete upload; a
command line that is too long is taken for several; line feeds in commands reach the log.
"""

import logging
import stat
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from OpenSSL import SSL
from pyftpdlib.exceptions import AuthenticationFailed
from pyftpdlib.handlers import TLS_FTPHandler

from adapters.ftps.accounts import Account, Action, Deed, Directory, FailedLogins, Witness
from adapters.ftps.data_channel import DataChannel
from adapters.ftps.folders import Folders
from adapters.ftps.quota import InboxFullError
from adapters.ftps.tls import ServerTls, fingerprint
from adapters.upload_names import NAME_RULE

_log = logging.getLogger(__name__)

# deny unless allowed: no APPE, STOU, MKD, RMD, MFMT, SITE
_COMMANDS: Final = (
    *("AUTH", "PBSZ", "PROT", "USER", "PASS", "REIN", "QUIT"),
    *("FEAT", "HELP", "NOOP", "OPTS", "SYST", "STAT", "ALLO", "MODE", "STRU", "TYPE"),
    *("PWD", "XPWD", "CWD", "XCWD", "CDUP", "XCUP", "LIST", "NLST", "MLSD", "MLST", "SIZE", "MDTM"),
    *("EPSV", "PASV", "EPRT", "PORT", "RETR", "STOR", "RNFR", "RNTO", "DELE", "REST", "ABOR"),
)
_LONGEST_COMMAND: Final = 2048


def _one_line(text: str) -> str:
    """What a client sent, fit for a log: no control characters, not endless."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:500])


def _written(file: str) -> tuple[int, int] | None:
    """Which file that is, and when it was last written to; None where there is no regular file."""
    try:
        found = Path(file).lstat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


class _Authorizer:
    """pyftpdlib's questions about one session, answered from the company's account."""

    def __init__(self, session: "Session") -> None:
        self._session = session

    def validate_authentication(self, username: str, password: str, _handler: Any) -> None:
        session = self._session
        if session.failed_logins.refused(session.peer_sha256):
            raise AuthenticationFailed("too many failed logins, try again later.")
        account = session.directory(username)
        # the certificate first: somebody else's costs no hash, and its holder learns nothing about the password
        known = account is not None and session.peer_sha256 in account.certificate_sha256s
        there = account is not None and account.allows_address(str(session.remote_ip))
        if account is None or not known or not there or not account.verify_password(password):
            session.failed_logins.failed(session.peer_sha256)
            reason = "user name" if not account else "certificate" if not known else "password" if there else "address"
            session.log(f"login refused: {reason}; certificate {session.peer_sha256[:16]}", _log.warning)
            # one sentence for all of them
            raise AuthenticationFailed("authentication failed.")
        session.failed_logins.succeeded(session.peer_sha256)
        session.account = account

    def get_home_dir(self, _username: str) -> str:
        account = self._session.account
        assert account is not None
        home = account.home.resolve(strict=True)
        return str(home)

    def get_msg_login(self, _username: str) -> str:
        return "Welcome."

    def get_msg_quit(self, _username: str) -> str:
        return "Goodbye."

    def has_perm(self, _username: str, letter: str, path: str) -> bool:
        return self._session.fs is not None and bool(self._session.fs.may(letter, path))

    def get_perms(self, _username: str) -> str:
        return "elr"

    def impersonate_user(self, _username: str, _password: str) -> None:
        """Sessions run as the hub."""

    def terminate_impersonation(self, _username: str) -> None:
        """Sessions run as the hub."""


class Session(TLS_FTPHandler):
    """A control connection. ``site.FtpsSite`` makes a subclass with its settings."""

    directory: Directory
    witness: Witness
    failed_logins: FailedLogins
    server_tls: ServerTls
    settings: Any
    idle_timeout: float
    _rnfr: str | None
    _idler: Any
    _in_buffer: list[bytes]
    _in_dtp_queue: Any
    _in_buffer_len: int
    _restart_position: int
    _current_type: str
    _extra_feats: list[str]

    tls_control_required = True
    tls_data_required = True
    permit_foreign_addresses = False
    permit_privileged_ports = False
    max_login_attempts = 3
    dtp_handler = DataChannel
    abstracted_fs = Folders
    proto_cmds: Final = {name: TLS_FTPHandler.proto_cmds[name] for name in _COMMANDS} | {
        "CLNT": {"perm": None, "auth": False, "arg": True, "help": "Syntax: CLNT <SP> name of the client program."}
    }

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:
        self.peer_sha256 = ""
        self._peer: x509.Certificate | None = None
        # by path: inode and time of last writing of what this session has uploaded
        self._own: dict[str, tuple[int, int]] = {}
        self.account: Account | None = None
        self.client_name = ""
        self._over = False
        self._announced: int | None = None
        self.authorizer = _Authorizer(self)
        super().__init__(conn, server, ioloop)
        self._extra_feats.append("CLNT")

    @classmethod
    def get_ssl_context(cls) -> SSL.Context:
        """The context of the moment: new certificate files serve new connections."""
        return cls.server_tls.context()

    def handle_ssl_established(self) -> None:
        """Remember whose certificate the handshake has proved."""
        certificate = self.socket.get_peer_certificate()
        self.peer_sha256 = fingerprint(certificate) if certificate else ""
        self._peer = certificate.to_cryptography() if certificate else None

    def collect_incoming_data(self, data: bytes) -> None:
        """Gather a command line; one that is too long ends the session."""
        if self._closing:
            return
        if self._in_buffer_len + len(data) > _LONGEST_COMMAND:
            self.ac_in_buffer = b""
            self._in_buffer, self._in_buffer_len = [], 0
            self.respond_w_warning("500 Command too long.")
            self.close_when_done()
            return
        super().collect_incoming_data(data)

    def found_terminator(self) -> None:
        """Run a command, unless the session is about to end."""
        if not self._closing:
            super().found_terminator()

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """Run a command, if the login still holds: what it proved may have been withdrawn since."""
        reply = self.standing() if self.authenticated and cmd != "QUIT" else ""
        if not reply:
            super().pre_process_command(line, cmd, arg)
            return
        self.respond_w_warning(reply)
        if reply.startswith("421"):
            self.close_when_done()

    def standing(self) -> str:
        """Nothing while the login holds; else an FTP reply: 421, it holds no more; 451, nobody can say now."""
        account, certificate = self.account, self._peer
        if account is None or certificate is None:
            return "426 The login was given up; transfer discarded."
        try:
            stands = account.still_stands(self.peer_sha256, str(self.remote_ip))
        except Exception:
            _log.exception("whether a login still holds could not be asked")
            return "451 The hub cannot look up your account now, try again later."
        if stands and not self.server_tls.refuses(certificate):
            return ""
        self._over = True
        return "421 Account, password, certificate or address is no longer accepted, log in again."

    def _on_dtp_close(self) -> None:
        """A transfer has been answered; the session goes with it if the login no longer holds."""
        super()._on_dtp_close()
        if self._over and not self._closed:
            self.close_when_done()

    def ftp_AUTH(self, line: str) -> None:  # noqa: N802
        """Start TLS, and forget whatever came in the clear behind this command."""
        super().ftp_AUTH(line)
        if self._ssl_requested and self.ac_in_buffer and not self._ssl_established:
            self.log(
                "bytes in the clear behind AUTH discarded: an injection, or a client that does not wait", _log.warning
            )
            self.ac_in_buffer = b""

    def ftp_PROT(self, line: str) -> None:  # noqa: N802
        """Only a private data channel."""
        if line.upper() == "P" or not self._ssl_established:
            super().ftp_PROT(line)
        else:
            self.respond("534 Only PROT P is accepted.")

    def ftp_CLNT(self, line: str) -> None:  # noqa: N802
        """Remember what program the client is: lftp needs care."""
        self.client_name = _one_line(line).lower()
        self.respond("200 Noted.")

    def ftp_ALLO(self, line: str) -> None:  # noqa: N802
        """Remember how many bytes the next upload will have."""
        size = line.partition(" ")[0]
        self._announced = int(size) if size.isascii() and size.isdigit() and len(size) < 19 else None
        super().ftp_ALLO(line)

    def take_announced(self) -> int | None:
        """How many bytes the upload that begins now will have, if the client has said so; in text mode sizes differ."""
        announced, self._announced = self._announced, None
        return announced if self._current_type == "i" else None

    def ftp_STOR(self, file: str, mode: str = "w") -> str | None:  # noqa: N802
        """Receive a whole file; a part of one is not taken."""
        if self._restart_position:
            self._restart_position = 0
            self.respond("501 REST is not accepted for uploads; send the whole file again.")
            return None
        try:
            stored: str | None = super().ftp_STOR(file, mode)
        except InboxFullError as full:
            self.respond_w_warning(str(full))
            return None
        if self._closed and getattr(self, "_in_dtp_queue", None) is not None:
            self._in_dtp_queue[0].close()
        return stored

    def note_own(self, file: str) -> None:
        """An upload of this session has its name: the session may give it another one."""
        if (written := _written(file)) is not None:
            self._own[file] = written

    def ftp_RNFR(self, path: str) -> None:  # noqa: N802
        """Take the name of an upload of this session, or of one that looks temporary."""
        if _written(path) is None:
            self.respond("550 No such file: it may have been taken in under this name.")
        elif self.fs.is_temporary_upload(path) or self._own.get(path) == _written(path):
            super().ftp_RNFR(path)
        else:
            self.respond("550 Only an upload of this session, or a temporary name, can be renamed.")

    def ftp_RNTO(self, path: str) -> tuple[str, str] | None:  # noqa: N802
        """Rename it within its folder; a file of that name is replaced, as an upload would."""
        begun: str | None = self._rnfr
        if begun and Path(begun).parent != Path(path).parent:
            self._rnfr = None
            self.respond("553 A file stays in its folder.")
            return None
        renamed: tuple[str, str] | None = super().ftp_RNTO(path)
        if renamed:
            self._own.pop(renamed[0], None)
            self.note_own(path)
            self._tell("renamed", path)
        return renamed

    def ftp_DELE(self, path: str) -> str | None:  # noqa: N802
        """Remove a file that its company has taken."""
        removed: str | None = super().ftp_DELE(path)
        if removed:
            self._tell("deleted", removed)
        return removed

    def on_file_sent(self, file: str) -> None:
        """A file has gone out whole."""
        self._tell("fetched", file)

    def on_file_received(self, file: str) -> None:
        """A file has come in whole."""
        self._tell("stored", file)

    def _tell(self, action: Action, file: str) -> None:
        path = Path(file)
        try:
            self.witness(
                Deed(self.username, action, path.name, path.parent.name, str(self.remote_ip), self.peer_sha256)
            )
        except Exception:
            _log.exception("a deed was not noted: %s", action)

    def respond(self, resp: str, logfun: Any = _log.debug) -> None:
        """Answer; of a path that is not accepted pyftpdlib would say only that it is outside the root."""
        if resp.startswith("550") and resp.endswith("points to a path which is outside the user's root directory."):
            resp = f"550 There is no such place, or the name cannot be: {NAME_RULE}."
        super().respond(resp, logfun)

    def push_dtp_data(self, data: Any, isproducer: bool = False, file: Any = None, cmd: str | None = None) -> None:
        """Queue what a command answers; a client that has gone while its 150 was sent leaves no open file."""
        super().push_dtp_data(data, isproducer, file, cmd)
        if self._closed and file is not None:
            file.close()

    def flush_account(self) -> None:
        """Forget the login, and an upload that still waits for its connection."""
        if self._in_dtp_queue is not None:
            self._in_dtp_queue[0].close()
        super().flush_account()
        self.account = None
        self._own.clear()

    def handle_auth_success(self, home: str, _password: str, msg_login: str) -> None:
        """Open the account's folders; the password is not kept."""
        assert self.account is not None
        super().handle_auth_success(home, "", msg_login)
        self.fs.make_folders()
        self.timeout = self.idle_timeout
        if self._idler is not None and not self._idler.cancelled:
            self._idler.cancel()
            self._idler = self.ioloop.call_later(self.timeout, self.handle_timeout, _errback=self.handle_error)

    def handle_auth_failed(self, msg: str, _password: str) -> None:
        """Answer after a pause; the password is not kept."""
        super().handle_auth_failed(msg, "")

    def log(self, msg: str, logfun: Any = _log.info) -> None:
        """Log a message with address and user."""
        user = self.username if self.username.isalnum() and len(self.username) <= 16 else "?" if self.username else ""
        logfun("%s:%s [%s] %s", self.remote_ip, self.remote_port, user, _one_line(msg))

    def logline(self, msg: str, logfun: Any = _log.debug) -> None:
        """Log a line of the conversation, at level DEBUG; passwords are masked before."""
        if self._log_debug:
            self.log(msg, logfun)
