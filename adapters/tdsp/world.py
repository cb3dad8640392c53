"""The simulated TDSP's world as one thread sees it, and the thread in which its moments happen."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from adapters.tdsp.config import Config
from adapters.tdsp.messages import Messages
from adapters.tdsp.provisioning import Provisioning
from adapters.tdsp.state import Moment, State
from adapters.tdsp.telling import Teller

__all__ = ["World", "let_happen"]

log = logging.getLogger(__name__)

#: Moments of one transaction.
_AT_ONCE: Final = 500
#: Longest sleep, in seconds: another process may have planned something.
_LONGEST_SLEEP: Final = 0.5


@dataclass(frozen=True)
class World:
    """State, and what may happen in it."""

    state: State
    provisioning: Provisioning
    messages: Messages

    @classmethod
    def of(cls, config: Config) -> World:
        """Open the state for this thread."""
        state = State(config.state)
        teller = Teller(state, config.scenario)
        return cls(state, Provisioning(state, config.scenario, teller), Messages(state, config.scenario, teller))

    def happen(self, now: float, moment: Moment) -> None:
        """Let *moment* happen, in the caller's transaction."""
        of_message = {
            "carry": self.messages.carry,
            "unreachable": self.messages.unreachable,
            "confirm": self.messages.confirm,
            "start": self.messages.start,
            "turn": self.messages.turn,
            "withdraw": self.messages.withdraw,
            "end": self.messages.end,
            "exchange": self.provisioning.exchange,
        }
        if moment.kind in of_message:
            of_message[moment.kind](now, moment.facts)
            return
        of_request: dict[str, Callable[[float, dict[str, Any]], None]] = {
            "acknowledge": self.provisioning.acknowledge,
            "send": self.provisioning.send,
            "ready": self.provisioning.ready,
            "join": self.provisioning.join,
            "close": self.provisioning.close,
            "pending": self.provisioning.remove,
            "removed": self.provisioning.removed,
        }
        request = self.state.request(moment.facts["request"])
        if not request["undone"]:
            of_request[moment.kind](now, request)

    def happen_due(self, now: float) -> int:
        """Let what is due by *now* happen, some hundreds at once; returns how many."""
        with self.state.transaction():
            moments = self.state.due_moments(now, _AT_ONCE)
            for moment in moments:
                self.happen(now, moment)
            self.state.drop_moments(moments)
        return len(moments)


def let_happen(config: Config, *, now: Callable[[], float], changed: Event, told: Callable[[], None]) -> None:
    """Let moments happen when they are due, for ever. *changed* wakes; *told* is called when there may be posts."""
    world = World.of(config)
    while True:
        changed.clear()
        try:
            busy = world.happen_due(now()) > 0
        except Exception:
            log.exception("a moment could not happen; it is tried again")
            busy = False
        if busy:
            told()
            continue
        due = world.state.next_due("moment")
        changed.wait(_LONGEST_SLEEP if due is None else max(0.01, min(_LONGEST_SLEEP, due - now())))
