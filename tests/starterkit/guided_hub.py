"""What the tests of the starter kit know of the hub that the guide runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smt_ws.sandbox.build import Sandbox
from smt_ws.sandbox.market import Market
from smt_ws.settings import Settings


@dataclass(frozen=True)
class GuidedHub:
    """A running hub in ``home/sandbox``, as ``smt-ws sandbox`` makes it and ``smt-ws serve`` runs it."""

    home: Path
    sandbox: Sandbox
    market: Market
    settings: Settings

    @property
    def address(self) -> str:
        """Of its SOAP services."""
        return f"https://127.0.0.1:{self.settings.soap.port}/soap"
