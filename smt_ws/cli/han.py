"""``smt-ws han``: what an operator does about devices and messages."""

from __future__ import annotations

from datetime import timedelta

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from smt_ws.cli.acting import operator
from smt_ws.han.errors import EsiidUnknownError
from smt_ws.han.lifecycle import overdue_adds
from smt_ws.han.secrets import InstallCodeKeys, new_key, rotate
from smt_ws.han.terms import Terms
from smt_ws.han.timing import timings
from smt_ws.hub import Hub
from smt_ws.parties.device_access import Control, set_control
from smt_ws.parties.tables import premise

__all__ = ["han"]


@click.group()
def han() -> None:
    """Devices of the home area network and messages to them, as the operator sees them.

    \b
    Examples:
      smt-ws han timing --days 30
      smt-ws han overdue
      smt-ws han new-key
      smt-ws han rotate-keys
      smt-ws han control 10443720030350293 --no-third-party
    """


@han.command()
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 1100), help="Asked in the last days.")
@click.pass_obj
def timing(hub: Hub, days: int) -> None:
    """How long TDSPs take: request to Meter Ready, message to delivery."""
    now = hub.clock.now()
    with hub.store.read() as connection:
        found = timings(connection, since=now - timedelta(days=days), until=now)
    if not found:
        click.echo(f"nothing was asked in the last {days} days")
        return
    table = Table("TDSP", "from … to", "done", "waiting", "half within", "9 of 10 within", "longest")
    for one in found:
        times = [_shown(time) for time in (one.half, one.nine_of_ten, one.longest)]
        table.add_row(one.tdsp_duns, one.what, f"{one.done:,}", f"{one.waiting:,}", *times)
    Console().print(table)


def _shown(time: timedelta | None) -> str:
    return "" if time is None else str(timedelta(seconds=round(time.total_seconds())))


@han.command()
@click.pass_obj
def overdue(hub: Hub) -> None:
    """Adds that make no progress at their TDSP; exit code 1 if there are any."""
    with hub.store.read() as connection:
        found = overdue_adds(connection, terms=Terms.of(hub.settings), clock=hub.clock)
    for duns, devices in found.items():
        click.echo(f"TDSP {duns}: {devices} adds without progress; see smt-ws outbox list")
    if found:
        raise click.exceptions.Exit(1)
    click.echo("no add is overdue")


@han.command("new-key")
def new_key_() -> None:
    """Print a new key for installation codes: a line to put first in the key file."""
    click.echo(new_key())


@han.command("rotate-keys")
@click.pass_obj
def rotate_keys(hub: Hub) -> None:
    """Seal every stored installation code under the first key of the key file; then the others may be removed."""
    click.echo(f"{rotate(hub.store, InstallCodeKeys.of(hub.settings)):,} installation codes sealed under the first key")


@han.command()
@click.argument("esiid")
@click.option("--rep/--no-rep", default=True, help="The REP of record may control devices.")
@click.option("--third-party/--no-third-party", default=True, help="Companies with an agreement may.")
@click.option("--tdsp/--no-tdsp", default=True, help="The TDSP may.")
@click.pass_obj
def control(hub: Hub, esiid: str, rep: bool, third_party: bool, tdsp: bool) -> None:
    """Note whom the customer of ESIID lets control devices there, as the customer said by telephone or letter."""
    wanted = Control(by_rep=rep, by_third_party=third_party, by_tdsp=tdsp)
    with hub.store.write() as connection:
        premise_id = connection.scalar(select(premise.c.id).where(premise.c.esiid == esiid))
        if premise_id is None:
            raise EsiidUnknownError(presented=esiid)
        set_control(connection, premise_id, wanted, actor=operator(), clock=hub.clock)
    who = [
        name for name, may in (("the REP of record", rep), ("third parties", third_party), ("the TDSP", tdsp)) if may
    ]
    click.echo(f"{esiid}: beside the customer, {', '.join(who) or 'nobody'} may control devices")
