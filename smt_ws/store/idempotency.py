"""One mechanism for honest retries and for replays (interfaces: idempotency and replay).

A state-changing request is remembered under (company, operation, trans_id, SHA-256 of the exclusive C14N of the
Body's child). Its answer is stored in the same transaction as its effect; a repeat runs nothing and gets that answer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError

from smt_ws.errors import HubError
from smt_ws.store.dialect import insert, is_postgresql
from smt_ws.store.engine import Store
from smt_ws.store.tables import answered_request

__all__ = ["AlreadyClaimed", "Answer", "AtOnce", "Claim", "answer_once", "forget_expired"]


# Made once: every request that changes something runs them, and making a statement costs as much as it.
_SAME: Final = and_(
    *(one == bindparam(f"of_{one.name}", type_=one.type) for one in answered_request.primary_key.columns)
)
_FIRST: Final = select(answered_request).where(_SAME)
_FORGET: Final = delete(answered_request).where(_SAME)
_ANSWER: Final = update(answered_request).where(_SAME).values(answer=bindparam("new_answer"))


@dataclass(frozen=True)
class Answer:
    """An answer and whether it had been given before."""

    content: dict[str, Any]
    repeated: bool
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request is remembered under, and until when."""

    company_id: int
    operation: str
    trans_id: str
    body_sha256: bytes
    first_at: datetime
    expires_at: datetime


class AlreadyClaimed(Exception):  # noqa: N818 — no error: the request is a repeat
    """The claim is another's: nothing was done."""


#: Does the whole of a request by reading and then one statement that also stores the claim with the answer; returns the
#: answer. Raises `AlreadyClaimed`, having done nothing, where the claim is there.
AtOnce = Callable[[Connection, Claim], dict[str, Any]]


def answer_once(
    store: Store,
    *,
    company_id: int,
    operation: str,
    trans_id: str,
    body_sha256: bytes,
    now: datetime,
    keep: timedelta,
    run: Callable[[Connection], dict[str, Any]],
    at_once: AtOnce | None = None,
) -> Answer:
    """Run *run* once for this request and give every repeat within *keep* the first answer.

    Two equal requests at the same moment: one runs, the other waits for its commit and repeats its answer. Two
    different requests for what may exist only once: the second one's unique violation says that the first one's row is
    there by now, so it runs once more and is refused in the words of its own rule. If *run* raises, nothing is
    remembered and nothing it did remains.

    *at_once* is the same as *run* for a store on which a statement can do it all: it is tried first there. A refusal
    of its is not given before it is known that the request is no repeat.
    """
    mine = Claim(company_id, operation, trans_id, body_sha256, first_at=now, expires_at=now + keep)
    if at_once is not None and not store.is_sqlite:
        with suppress(AlreadyClaimed, HubError), store.each_alone() as connection:
            return Answer(content=at_once(connection, mine), repeated=False, first_at=now)
    try:
        return _answer(store, mine, run)
    except IntegrityError:
        return _answer(store, mine, run)


def _answer(store: Store, mine: Claim, run: Callable[[Connection], dict[str, Any]]) -> Answer:
    now = mine.first_at
    row = asdict(mine) | {"answer": {}}
    same = {f"of_{one.name}": row[one.name] for one in answered_request.primary_key.columns}
    with store.write() as connection:
        claim = insert(connection, answered_request).on_conflict_do_nothing().returning(answered_request.c.company_id)
        # The unique key is the lock: a rival's insert waits here until the first transaction ends.
        if connection.execute(claim, row).first() is None:
            first = connection.execute(_FIRST, same).one()
            if first.expires_at > now:
                return Answer(content=first.answer, repeated=True, first_at=first.first_at)
            connection.execute(_FORGET, same)
            connection.execute(claim, row)
        answer = run(connection)
        connection.execute(_ANSWER, same | {"new_answer": answer})
    return Answer(content=answer, repeated=False, first_at=now)


def forget_expired(store: Store, now: datetime, *, batch: int = 10_000) -> int:
    """Remove answers nobody can repeat any more, in bounded transactions; returns how many."""
    removed = 0
    while True:
        with store.write() as connection:
            row_id = answered_request.c.body_sha256
            old = select(row_id).where(answered_request.c.expires_at <= now).limit(batch)
            if is_postgresql(connection):
                old = old.with_for_update(skip_locked=True)
            gone = connection.execute(
                delete(answered_request).where(row_id.in_(old), answered_request.c.expires_at <= now)
            ).rowcount
        removed += gone
        if gone < batch:
            return removed
