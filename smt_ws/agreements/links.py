"""Links in letters: 256 random bits each, stored only as SHA-256, each for one purpose, each used once (A9, A10).

A link is made when its letter leaves, so that no token stands in the outbox. Answers and resends revoke the links that
accept and reject; the one that says "I did not ask for this" lives on, because fraud is noticed after the acceptance.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from smt_ws.agreements.rules import Purpose
from smt_ws.agreements.tables import invitation_link

__all__ = ["ANSWERS", "DISOWN_FOR", "mint", "read_link", "revoke", "use_link"]

#: Purposes that answer an invitation.
ANSWERS: Final = (Purpose.ACCEPT, Purpose.REJECT)
#: How long a customer can say that an invitation was none of its own asking: longer than an agreement lasts.
DISOWN_FOR: Final = timedelta(days=400)
#: No token is longer; what is, was never one and need not be hashed.
_LONGEST: Final = 64


def mint(
    connection: Connection, number: str, purposes: Iterable[Purpose], *, now: datetime, answer_by: datetime
) -> dict[Purpose, str]:
    """Make a link for each purpose and return the tokens, which are nowhere else."""
    tokens = {purpose: secrets.token_urlsafe(32) for purpose in purposes}
    connection.execute(
        insert(invitation_link),
        [
            {
                "token_sha256": _hashed(token),
                "number": number,
                "purpose": purpose.value,
                "expires_at": answer_by if purpose in ANSWERS else now + DISOWN_FOR,
            }
            for purpose, token in tokens.items()
        ],
    )
    return tokens


def read_link(connection: Connection, token: str) -> Any:
    """The row of ``invitation_link`` with this token, or None. The same one statement runs for every token."""
    return connection.execute(
        select(invitation_link).where(invitation_link.c.token_sha256 == _hashed(token[:_LONGEST]))
    ).one_or_none()


def use_link(connection: Connection, token_sha256: bytes, *, now: datetime) -> bool:
    """Use a link up; False where somebody else just did."""
    used = connection.execute(
        update(invitation_link)
        .where(
            invitation_link.c.token_sha256 == token_sha256,
            invitation_link.c.used_at.is_(None),
            invitation_link.c.revoked_at.is_(None),
        )
        .values(used_at=now)
    )
    return used.rowcount == 1


def revoke(connection: Connection, numbers: Collection[str], *, now: datetime) -> None:
    """Revoke all unused links that answer the invitations of these agreements."""
    connection.execute(
        update(invitation_link)
        .where(
            invitation_link.c.number.in_(numbers),
            invitation_link.c.purpose.in_([purpose.value for purpose in ANSWERS]),
            invitation_link.c.used_at.is_(None),
            invitation_link.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )


def _hashed(token: str) -> bytes:
    return sha256(token.encode(errors="replace")).digest()
