"""Taking what a TDSP posts: who may post, how much at once, and the trace it leaves. What it means is `statuses`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from smt_ws.clock import Clock
from smt_ws.han import statuses
from smt_ws.han.errors import NotATdspError, TooManyPostsError
from smt_ws.han.statuses import MessagePost, MeterExchangePost, PostAnswer, ProvisioningPost
from smt_ws.parties.identify import Caller
from smt_ws.store import audit

__all__ = ["MOST_POSTS", "Post", "UntimedPost", "take_posts"]

Post = ProvisioningPost | MessagePost | MeterExchangePost


@dataclass(frozen=True, slots=True)
class UntimedPost:
    """A post whose time cannot be read: answered for itself, applied to nothing."""


#: Posts of one call: what one transaction applies in about a second.
MOST_POSTS: Final = 5_000


#: What can be posted: how it is applied, and what the audit log calls it.
_APPLY: Final[Mapping[type, tuple[Callable[..., list[PostAnswer]], str]]] = {
    ProvisioningPost: (statuses.post_provisioning_statuses, "provisioning"),
    MessagePost: (statuses.post_message_statuses, "messages"),
    MeterExchangePost: (statuses.post_meter_exchanges, "meter exchanges"),
}


def take_posts(
    connection: Connection, caller: Caller, posts: Sequence[Post | UntimedPost], *, clock: Clock, address: str | None
) -> list[PostAnswer]:
    """Apply posts of one kind: steps of requests or of messages, or meter exchanges (H10); one answer each, in order.

    Raises NotATdspError and TooManyPostsError; a post that cannot be applied is answered and holds up no other.
    """
    if caller.kind != "TDSP":
        raise NotATdspError(presented=caller.kind, expected="TDSP")
    if len(posts) > MOST_POSTS:
        raise TooManyPostsError(presented=f"{len(posts):,}", expected=f"at most {MOST_POSTS:,}")
    if not posts:
        return []
    timed = [post for post in posts if not isinstance(post, UntimedPost)]
    apply, what = _APPLY[type(timed[0])] if timed else (None, "nothing")
    applied = iter(
        apply(connection, tdsp_duns_numbers=caller.duns_numbers, posts=timed, clock=clock) if apply is not None else ()
    )
    answers = [statuses.UNREADABLE if isinstance(post, UntimedPost) else next(applied) for post in posts]
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
    return answers
