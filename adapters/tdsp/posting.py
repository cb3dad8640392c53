"""The thread that posts statuses to the hub's ``TDSPCallback``: signed, over mutual TLS, until the hub has answered."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, Final

import requests
import zeep
import zeep.exceptions
from cryptography import x509

from adapters.soap.client import connect
from adapters.soap.wss_failures import SecurityFailure
from adapters.tdsp.config import Config
from adapters.tdsp.state import Post, State

__all__ = ["Poster", "keep_posting"]

log = logging.getLogger(__name__)

_CONTRACT: Final = Path(__file__).resolve().parents[2] / "wsdl" / "TDSPCallback.wsdl"
_MOMENTS: Final = ("statusTimestamp", "exchangedAt")
_LONGEST_SLEEP: Final = 0.5
#: Pause after a call that failed, doubled each time up to the longest, in seconds.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0


class Poster:
    """Posts what is due, from one state to one hub."""

    def __init__(self, config: Config, state: State) -> None:
        self._config = config
        self._state = state
        self._client: zeep.Client | None = None
        self._calls = itertools.count(1)

    def post_due(self, now: float) -> int:
        """Make one call with what is due by *now*; returns how many posts it had.

        Raises what the call raises: the posts stay, and go again.
        """
        posts = self._state.due_posts(now, self._config.posts_per_call)
        if not posts:
            return 0
        try:
            answer = self._call(posts)
        except Exception:
            with self._state.transaction():
                self._state.tried(posts)
            raise
        if self._config.scenario.chance("lose_answer", posts[0].id, posts[0].attempts):
            log.info("lost the answer to %d posts", len(posts))
            with self._state.transaction():
                self._state.tried(posts)
            return len(posts)
        with self._state.transaction():
            self._state.posted((told.code, post.id) for post, told in zip(posts, answer.answer, strict=True))
        return len(posts)

    def _call(self, posts: Sequence[Post]) -> Any:
        if self._client is None:
            self._client = self._connect()
        return self._client.service[posts[0].operation](
            # made anew for each call: a repeat is recognised post by post
            trans_id=f"{posts[0].id}-{posts[0].attempts}-{next(self._calls)}",
            requestorID="han-head-end",
            requesterType="TDSP",
            requesterAuthenticationID=self._config.duns[0],
            SMTTermsandConditions="Y",
            post=[_fields(post) for post in posts],
        )

    def _connect(self) -> zeep.Client:
        config = self._config
        return connect(
            _CONTRACT,
            address=config.hub_url,
            tls_certificate=config.tls_certificate,
            tls_key=config.tls_key,
            ca=config.ca,
            signing_certificate=config.signing_certificate,
            signing_key=config.signing_key,
            hub_certificates=[x509.load_pem_x509_certificate(config.hub_signing_certificate.read_bytes())],
        )


def keep_posting(config: Config, *, now: Callable[[], float], changed: Event) -> None:
    """Post what is due, for ever; a hub that is down is waited for. *changed* wakes."""
    state = State(config.state)
    poster = Poster(config, state)
    failures = 0
    while True:
        changed.clear()
        try:
            busy = poster.post_due(now()) > 0
            failures = 0
        except (requests.RequestException, zeep.exceptions.Error, SecurityFailure) as error:
            log.warning("the hub did not take posts: %s", error)
            changed.wait(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**failures))
            failures = min(failures + 1, 10)
            continue
        if not busy:
            due = state.next_due("post")
            changed.wait(_LONGEST_SLEEP if due is None else max(0.01, min(_LONGEST_SLEEP, due - now())))


def _fields(post: Post) -> dict[str, Any]:
    told = dict(post.fields)
    for name in _MOMENTS:
        if name in told:
            told[name] = datetime.fromtimestamp(told[name], UTC)
    return told
