"""Logging in and out, and a new password for who has forgotten the old one.

Sessions live in the store, by the hash of their token, so that logging out ends them everywhere. They are measured in
real time, like every other matter of security.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import and_, delete, or_, select, update

from smt_ws.accounts import links
from smt_ws.accounts.attempts import count_attempt
from smt_ws.accounts.errors import InvalidFormError, LinkUnusableError, LogInRefusedError
from smt_ws.accounts.letters import NOBODY, send_letter
from smt_ws.accounts.passwords import hashed, is_password
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.parties import account_rules as rules
from smt_ws.parties.account_tables import account, account_link, account_meter, account_session
from smt_ws.parties.accounts import Account, find_account, read_account
from smt_ws.store.audit import Event, record
from smt_ws.store.engine import Store

__all__ = ["account_of_session", "forget_ended", "log_in", "log_out", "request_reset", "reset_password"]

#: A session's last use is written down only when it is this much later than the one written before.
_NOTED_EVERY: Final = timedelta(minutes=1)
#: What is over stays for so long, to be looked at.
_KEPT: Final = timedelta(days=7)


def log_in(hub: Hub, *, email: str, password: str, address: str) -> str:
    """Begin a session and return its token, 256 random bits.

    Raises `LogInRefusedError`, after the same work whether there is such an account or not, and
    `TooManyAttemptsError`. *address* is where the request came from.
    """
    count_attempt(hub.store, "log_in_address", address)
    count_attempt(hub.store, "log_in_email", rules.email_key(email))
    held = select(account.c.id, account.c.password_hash).where(
        account.c.email_key == rules.email_key(email), account.c.confirmed_at.is_not(None)
    )
    with hub.store.read() as connection:
        row = connection.execute(held).one_or_none()
    if not is_password(None if row is None else row.password_hash, password) or row is None:
        with hub.store.write() as connection:
            actor = "account:unknown" if row is None else f"account:{row.id}"
            record(connection, Event.ACCOUNT_LOG_IN_REFUSED, actor=actor, at=hub.clock.now(), address=address)
        raise LogInRefusedError
    token = secrets.token_urlsafe(32)
    now = real_now()
    with hub.store.write() as connection:
        connection.execute(
            account_session.insert().values(
                token_sha256=links.token_sha256(token), account_id=row.id, created_at=now, seen_at=now
            )
        )
        record(connection, Event.ACCOUNT_LOGGED_IN, actor=f"account:{row.id}", at=hub.clock.now(), address=address)
    return token


def account_of_session(store: Store, token: str) -> Account | None:
    """Whose session this is; None where it has ended, or nothing was asked in it for too long."""
    now = real_now()
    mine = account_session.c.token_sha256 == links.token_sha256(token)
    with store.read() as connection:
        row = connection.execute(select(account_session).where(mine)).one_or_none()
        if row is None or now - row.seen_at > rules.SESSION_IDLE or now - row.created_at > rules.SESSION_LASTS:
            return None
        found = read_account(connection, row.account_id)
    if now - row.seen_at > _NOTED_EVERY:
        with store.write() as connection:
            connection.execute(update(account_session).where(mine).values(seen_at=now))
    return found


def log_out(hub: Hub, token: str, *, address: str) -> None:
    """End the session; one that has ended already is no error."""
    ended = delete(account_session).where(account_session.c.token_sha256 == links.token_sha256(token))
    with hub.store.write() as connection:
        account_id = connection.execute(ended.returning(account_session.c.account_id)).scalar_one_or_none()
        if account_id is not None:
            actor = f"account:{account_id}"
            record(connection, Event.ACCOUNT_LOGGED_OUT, actor=actor, at=hub.clock.now(), address=address)


def request_reset(hub: Hub, *, email: str, address: str) -> None:
    """Send a link for a new password, if *email* has an account; nobody sees whether it has, nor from the time it took.

    Raises `TooManyAttemptsError`.
    """
    count_attempt(hub.store, "reset_address", address)
    count_attempt(hub.store, "reset_email", rules.email_key(email))
    now = hub.clock.now()
    with hub.store.write() as connection:
        found = find_account(connection, email=email)
        send_letter(connection, NOBODY if found is None else found.id, "reset", now=now)


def reset_password(hub: Hub, token: str, *, password: str, password_again: str, address: str) -> None:
    """Set a new password by the link's token, and end every session of the account.

    Raises `InvalidFormError`, `LinkUnusableError`, `TooManyAttemptsError`.
    """
    count_attempt(hub.store, "token_address", address)
    now = hub.clock.now()
    with hub.store.read() as connection:
        email = links.address_of(connection, token, "reset", now=now)
    if email is None:
        raise LinkUnusableError
    if problems := rules.password_problems(password, password_again, email=email):
        raise InvalidFormError(problems)
    kept = hashed(password)
    with hub.store.write() as connection:
        account_id = links.use_link(connection, token, "reset", now=now)
        connection.execute(update(account).where(account.c.id == account_id).values(password_hash=kept))
        connection.execute(delete(account_session).where(account_session.c.account_id == account_id))
        actor = f"account:{account_id}"
        record(connection, Event.ACCOUNT_PASSWORD_CHANGED, actor=actor, at=now, address=address, object=actor)


def forget_ended(hub: Hub) -> int:
    """Remove sessions and links that are over, and registrations that nobody confirmed; returns how many of these."""
    now = hub.clock.now()
    with hub.store.write() as connection:
        over = or_(
            account_session.c.seen_at < real_now() - rules.SESSION_IDLE,
            account_session.c.created_at < real_now() - rules.SESSION_LASTS,
        )
        connection.execute(delete(account_session).where(over))
        connection.execute(delete(account_link).where(account_link.c.expires_at < now - _KEPT))
        old = select(account.c.id).where(
            and_(account.c.confirmed_at.is_(None), account.c.created_at < now - rules.CONFIRM_WITHIN - _KEPT)
        )
        for table in (account_link, account_meter):
            connection.execute(delete(table).where(table.c.account_id.in_(old)))
        return connection.execute(delete(account).where(account.c.id.in_(old))).rowcount
