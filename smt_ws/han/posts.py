"""Taking what a TDSP posts: who may post, how much at once, and the trace it leaves. What it means is `statuses`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from smt_ws.clock import Clock
from smt_ws.han import statuses
from smt_ws.han.errors import NotATdspError, TooManyPostsError
from smt_ws.han.statuses import MessagePost, MeterExchangePost, PostAnswer, ProvisioningPost
from smt_ws.parties.identify import Caller
from smt_ws.store import audit

__all__ = ["MOST_POSTS", "take_message_statuses", "take_meter_exchanges", "take_provisioning_statuses"]

#: Posts of one call: what one transaction applies in about a second.
MOST_POSTS: Final = 5_000


def take_provisioning_statuses(
    connection: Connection, caller: Caller, posts: Sequence[ProvisioningPost], *, clock: Clock, address: str | None
) -> list[PostAnswer]:
    """Apply steps of requests to add or remove devices; one answer a post, in the same order.

    Raises NotATdspError and TooManyPostsError; a post that cannot be applied is answered and holds up no other.
    """
    _check(caller, posts)
    answers = statuses.post_provisioning_statuses(
        connection, tdsp_duns_numbers=caller.duns_numbers, posts=posts, clock=clock
    )
    _note(connection, caller, "provisioning", answers, clock, address)
    return answers


def take_message_statuses(
    connection: Connection, caller: Caller, posts: Sequence[MessagePost], *, clock: Clock, address: str | None
) -> list[PostAnswer]:
    """Apply steps of messages and of their cancellations; otherwise as `take_provisioning_statuses`."""
    _check(caller, posts)
    answers = statuses.post_message_statuses(
        connection, tdsp_duns_numbers=caller.duns_numbers, posts=posts, clock=clock
    )
    _note(connection, caller, "messages", answers, clock, address)
    return answers


def take_meter_exchanges(
    connection: Connection, caller: Caller, posts: Sequence[MeterExchangePost], *, clock: Clock, address: str | None
) -> list[PostAnswer]:
    """Apply meter exchanges (H10); otherwise as `take_provisioning_statuses`."""
    _check(caller, posts)
    answers = statuses.post_meter_exchanges(connection, tdsp_duns_numbers=caller.duns_numbers, posts=posts, clock=clock)
    _note(connection, caller, "meter exchanges", answers, clock, address)
    return answers


def _check(caller: Caller, posts: Sequence[object]) -> None:
    if caller.kind != "TDSP":
        raise NotATdspError(presented=caller.kind, expected="TDSP")
    if len(posts) > MOST_POSTS:
        raise TooManyPostsError(presented=f"{len(posts):,}", expected=f"at most {MOST_POSTS:,}")


def _note(
    connection: Connection, caller: Caller, what: str, answers: Sequence[PostAnswer], clock: Clock, address: str | None
) -> None:
    audit.record(
        connection,
        audit.Event.HAN_STATUSES_POSTED,
        actor=f"company:{caller.company_id}",
        at=clock.now(),
        object=f"duns:{caller.duns}",
        details={"of": what, "answers": dict(Counter(answer.code for answer in answers))},
        certificate_sha256=caller.signing_sha256,
        address=address,
    )
