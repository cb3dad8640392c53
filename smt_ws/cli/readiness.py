"""Readiness on a terminal: what ``smt-ws health --once`` prints."""

from __future__ import annotations

import json

import click

from smt_ws.health.readiness import State, examine
from smt_ws.hub import Hub

__all__ = ["show"]

#: As monitoring plug-ins end: fine, somebody should look, something is broken.
_ENDS_WITH = {State.OK: 0, State.WARN: 1, State.FAIL: 2}


def show(hub: Hub, *, as_json: bool) -> int:
    """Look at *hub* once and print it, a line a check; returns what the process should end with."""
    readiness = examine(hub).readiness
    if as_json:
        click.echo(json.dumps(readiness.told(), indent=1))
    else:
        for check in readiness.checks:
            observed = "" if check.observed is None else f"{check.observed} (limit {check.limit}) "
            click.echo(f"{check.state.value:<4}  {check.name:<13}  {observed}{check.reason}")
    return _ENDS_WITH[readiness.state]
