"""The hub that acceptance tests talk to, and the companies of its sandbox.

Beside the conftest, because "conftest" is the name of several modules and which one is imported is chance.
"""

from __future__ import annotations

from smt_ws.sandbox.build import COMPANIES, Sandbox
from smt_ws.sandbox.market import Market
from smt_ws.sandbox.requester import Requester

__all__ = ["BLUEBONNET", "LANTERN", "PECAN", "TDSP", "RunningHub"]

PECAN, BLUEBONNET, LANTERN, TDSP, _OTHER_TDSP = (duns for _name, _kind, duns in COMPANIES)


class RunningHub:
    """A running hub, its market, and programs of its companies."""

    def __init__(self, sandbox: Sandbox, market: Market, pid: int) -> None:
        self.sandbox = sandbox
        self.market = market
        self.pid = pid
        self.settings = sandbox.hub().settings

    def requester(self, duns: str = PECAN) -> Requester:
        return Requester(self.sandbox, self.sandbox.player(duns), self.settings)
