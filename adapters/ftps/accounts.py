"""Who may log in to the FTPS site, and what each kind of account may do (P4)."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Kind = Literal["requester", "tdsp"]
Action = Literal["fetched", "deleted", "stored", "renamed"]
Right = Literal["retrieve", "delete", "store", "rename"]

_FETCH: Final[frozenset[Right]] = frozenset({"retrieve", "delete"})
_READ: Final[frozenset[Right]] = frozenset({"retrieve"})
_STORE: Final[frozenset[Right]] = frozenset({"store", "rename"})
#: Whoever may order fetches here: every kind may.
_ORDERED: Final[Mapping[str, frozenset[Right]]] = {"adhoc": _FETCH, "daily": _FETCH, "enrollment": _FETCH}

RIGHTS: Final[Mapping[Kind, Mapping[str, frozenset[Right]]]] = {
    "requester": _ORDERED,
    "tdsp": {**_ORDERED, "inbox": _STORE, "reports": _READ},
}
"""For each kind of account its folders, and the rights on the files directly in them. Any folder may be listed.

"rename" is for the session's own uploads and for temporary names (`upload_names`); the latter may be deleted as well.
"""


@dataclass(frozen=True, slots=True)
class Account:
    """A company's account.

    ``home`` exists and holds, or will hold, the kind's folders. ``certificate_sha256s``: SHA-256 of the DER form of
    each client certificate registered to the company, as lower-case hex. ``verify_password`` compares in constant
    time; it may be slow (argon2), it runs in the session's own thread.
    """

    home: Path
    kind: Kind
    certificate_sha256s: frozenset[str]
    verify_password: Callable[[str], bool]
    #: Whether a session that has logged in with this certificate (SHA-256), from this address, may go on; asked before
    #: every command. What it raises refuses the command.
    still_stands: Callable[[str, str], bool]
    #: Whether a login may come from this IP address.
    allows_address: Callable[[str], bool] = lambda _address: True


Directory = Callable[[str], Account | None]
"""Looks an account up by its user name, the company's DUNS number. Called from many threads, at each login."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a client has done to a file, for the audit log."""

    user: str
    action: Action
    file_name: str
    folder: str
    address: str
    certificate_sha256: str


Witness = Callable[[Deed], None]
"""Hears of each deed once it is done. Called from many threads; what it raises is logged and goes no further."""


class FailedLogins:
    """Counts failed logins for each client certificate, and refuses further ones for a while.

    By certificate, not by user name or address: a certificate's holder can lock out only the holder of that
    certificate. Without a certificate of the site's authorities nobody comes as far as a password.
    """

    def __init__(self, most: int, window: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._window = window
        self._now = now
        self._lock = threading.Lock()
        self._failures: dict[str, list[float]] = {}

    def refused(self, certificate: str) -> bool:
        """Whether this certificate has failed ``most`` times within the last ``window`` seconds."""
        with self._lock:
            return len(self._recent(certificate)) >= self._most

    def failed(self, certificate: str) -> None:
        """Count one more failure."""
        with self._lock:
            self._failures[certificate] = [*self._recent(certificate), self._now()]

    def succeeded(self, certificate: str) -> None:
        """Forget the failures of this certificate."""
        with self._lock:
            self._failures.pop(certificate, None)

    def _recent(self, certificate: str) -> list[float]:
        since = self._now() - self._window
        # as many certificates as the authorities have issued: the table stays small
        return [at for at in self._failures.get(certificate, []) if at > since]
