"""The reason that a request states: demanded of a regulator, audited (R20)."""

from __future__ import annotations

from smt_ws.parties.errors import StatedReasonMissingError
from smt_ws.parties.rules import KINDS, STATED_REASON

__all__ = ["required_reason"]


def required_reason(kind: str, reason: str | None) -> str | None:
    """Return the *reason* that a caller in the capacity *kind* stated, its blanks collapsed; None where it need not.

    Raises `StatedReasonMissingError` where it must and did not, or in too few or too many characters.
    """
    text = " ".join((reason or "").split())
    fewest, most = STATED_REASON
    if fewest <= len(text) <= most:
        return text
    if KINDS[kind].by_reason or text:
        raise StatedReasonMissingError(
            presented=f"{len(text)} characters" if text else "none", expected=f"{fewest} to {most} characters"
        )
    return None
