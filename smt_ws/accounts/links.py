"""Links in e-mails about an account: 256 random bits, hashed at rest, for one purpose, used once, expiring."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from sqlalchemy import Connection, select, update
from sqlalchemy.sql import ColumnElement

from smt_ws.accounts.errors import LinkUnusableError
from smt_ws.parties.account_tables import account, account_link

__all__ = ["Purpose", "address_of", "is_open", "new_link", "token_sha256", "use_link"]

Purpose = Literal["confirm", "reset"]


def token_sha256(token: str) -> bytes:
    """How a token is kept and looked up."""
    return sha256(token.encode(errors="replace")).digest()


def new_link(connection: Connection, account_id: int, purpose: Purpose, *, now: datetime, lasts: timedelta) -> str:
    """Make a link's token, revoking earlier ones of the same purpose; only its hash is kept."""
    earlier = (account_link.c.account_id == account_id, account_link.c.purpose == purpose)
    connection.execute(
        update(account_link).where(*earlier, account_link.c.used_at.is_(None)).values(used_at=now)
    )  # fmt: skip
    token = secrets.token_urlsafe(32)
    connection.execute(
        account_link.insert().values(
            token_sha256=token_sha256(token), account_id=account_id, purpose=purpose, expires_at=now + lasts
        )
    )
    return token


def is_open(connection: Connection, token: str, purpose: Purpose, *, now: datetime) -> bool:
    """Whether the link could be used now. Looking at it changes nothing: mail scanners open links too."""
    return connection.scalar(select(account_link.c.account_id).where(*_open(token, purpose, now))) is not None


def address_of(connection: Connection, token: str, purpose: Purpose, *, now: datetime) -> str | None:
    """The e-mail address of the account whose link this is; None where it cannot be used. Changes nothing."""
    owner = select(account.c.email).join(account_link, account_link.c.account_id == account.c.id)
    found: str | None = connection.scalar(owner.where(*_open(token, purpose, now)))
    return found


def use_link(connection: Connection, token: str, purpose: Purpose, *, now: datetime) -> int:
    """Use the link up and return whose account it is. Raises `LinkUnusableError`; of two at once one gets through."""
    used = update(account_link).where(*_open(token, purpose, now)).values(used_at=now)
    account_id: int | None = connection.execute(used.returning(account_link.c.account_id)).scalar_one_or_none()
    if account_id is None:
        raise LinkUnusableError
    return account_id


def _open(token: str, purpose: Purpose, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        account_link.c.token_sha256 == token_sha256(token),
        account_link.c.purpose == purpose,
        account_link.c.used_at.is_(None),
        account_link.c.expires_at > now,
    )
