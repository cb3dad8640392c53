"""Why a server's certificate was refused, in words, and what to do about it."""

from __future__ import annotations

import ssl
from typing import Final

__all__ = ["why_refused"]

#: What Python 3.13 and later ask of every certificate beside its dates, name and signature (``VERIFY_X509_STRICT``):
#: OpenSSL's numbers of the checks of RFC 5280 that older Pythons leave out.
_STRICT: Final = range(80, 95)


def why_refused(error: BaseException | None) -> str | None:
    """Return which check a server's certificate failed and what helps; None where *error* is of another kind.

    Looks for the failed verification in what *error* was raised from, and in what it carries.
    """
    found = _verification(error, 8)
    if found is None:
        return None
    said = f"certificate verify failed: {found.verify_message.rstrip('.')}"
    if found.verify_code in _STRICT:
        return (
            f"{said}. Python 3.13 and later hold every certificate to RFC 5280: have the authority reissue the "
            "server's certificate, or its own, with what is missing. `openssl verify -x509_strict` makes the same check"
        )
    return f"{said}. `openssl s_client -connect HOST:PORT` shows the certificate that the server presents"


def _verification(error: object, depth: int) -> ssl.SSLCertVerificationError | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error
    if not isinstance(error, BaseException) or not depth:
        return None
    for inner in (error.__cause__, getattr(error, "reason", None), *error.args, error.__context__):
        if (found := _verification(inner, depth - 1)) is not None:
            return found
    return None
