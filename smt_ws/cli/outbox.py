"""``smt-ws outbox``: side effects that wait, dead letters, and the servers they need."""

from __future__ import annotations

from datetime import datetime

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from smt_ws.cli.acting import operator
from smt_ws.cli.numbers import NUMBER
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.store import outbox as effects
from smt_ws.store import outbox_targets

__all__ = ["outbox"]


@click.group()
def outbox() -> None:
    """Mails and calls that wait to be carried out, those that were given up, and the servers that they need.

    \b
    Examples:
      smt-ws outbox list
      smt-ws outbox list --dead
      smt-ws outbox targets
      smt-ws outbox pause tdsp:1039940674000
      smt-ws outbox resume tdsp:1039940674000
      smt-ws outbox retry 17
      smt-ws outbox retry --dead --target callback:3
    """


@outbox.command("list")
@click.option("--dead", is_flag=True, help="Only what was given up.")
@click.option("--target", help="Only what is for this target.")
@click.option("--last", type=NUMBER, default=200, show_default=True, help="How many, oldest first.")
@click.pass_obj
def list_(hub: Hub, dead: bool, target: str | None, last: int) -> None:
    """List what has not been carried out yet, oldest first."""
    with hub.store.read() as connection:
        rows = effects.waiting(connection, dead_only=dead, target=target, limit=last + 1)
    if not rows:
        click.echo("nothing waits")
        return
    table = Table("id", "kind", "what", "target", "tries", "next try (UTC)", "last error")
    for row in rows[:last]:
        when = "given up" if row.dead else _when(row.not_before)
        facts = (str(row.id), row.kind, row.key, row.target or "", str(row.attempts), when, row.last_error or "")
        table.add_row(*map(escape, facts))
    Console().print(table)
    if len(rows) > last:
        click.echo(f"and more: --last {last * 10}, or one --target")


@outbox.command()
@click.pass_obj
def targets(hub: Hub) -> None:
    """List the servers that effects need, and how each is doing.

    After failures in a row a server is left alone for a while; then one try decides.
    """
    rows = outbox_targets.targets(hub.store)
    if not rows:
        click.echo("no targets yet")
        return
    table = Table("target", "state", "waiting", "given up", "failures in a row", "last error")
    for row in rows:
        state = "well"
        if row.paused_at is not None:
            state = f"paused since {_when(row.paused_at)}"
        elif row.open_until is not None and row.open_until > real_now():
            state = f"left alone until {_when(row.open_until)}"
        elif row.failures:
            state = "failing"
        facts = (row.target, state, str(row.waiting), str(row.dead), str(row.failures), row.last_error or "")
        table.add_row(*map(escape, facts))
    Console().print(table)


@outbox.command()
@click.argument("effect_ids", metavar="[ID]...", type=NUMBER, nargs=-1)
@click.option("--dead", is_flag=True, help="All that were given up.")
@click.option("--target", help="With --dead: only those for this target.")
@click.pass_obj
def retry(hub: Hub, effect_ids: tuple[int, ...], dead: bool, target: str | None) -> None:
    """Make effects due now, given up or not."""
    if bool(effect_ids) == dead or (target and not dead):
        raise click.UsageError("Name effects by their ids, or say --dead.")
    if dead:
        count = effects.retry_dead(hub.store, target=target, actor=operator(), clock=hub.clock)
        click.echo(f"{count} will be tried again now")
        return
    for effect_id in effect_ids:
        if not effects.retry(hub.store, effect_id, actor=operator(), clock=hub.clock):
            raise click.ClickException(f"{effect_id} is not in the outbox or is done; see `smt-ws outbox list`")
        click.echo(f"{effect_id} will be tried again now")


@outbox.command()
@click.argument("target")
@click.pass_obj
def pause(hub: Hub, target: str) -> None:
    """Send nothing to TARGET until it is resumed; what is for it waits and loses no tries."""
    if len(target) > (most := outbox_targets.LONGEST_TARGET):
        raise click.UsageError(f"a target has at most {most} characters; see `smt-ws outbox targets`")
    outbox_targets.pause(hub.store, target, actor=operator(), clock=hub.clock)
    click.echo(f"{target} is paused; `smt-ws outbox resume {target}` ends it")


@outbox.command()
@click.argument("target")
@click.pass_obj
def resume(hub: Hub, target: str) -> None:
    """Send to TARGET again at once, whether it was paused or left alone for failing."""
    if not outbox_targets.resume(hub.store, target, actor=operator(), clock=hub.clock):
        raise click.ClickException(f"there is no target {target}; see `smt-ws outbox targets`")
    click.echo(f"{target} is served again")


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
