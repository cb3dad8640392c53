"""``smt-ws outbox``: side effects that wait, and dead letters."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from smt_ws.hub import Hub
from smt_ws.store import outbox as effects

__all__ = ["outbox"]


@click.group()
def outbox() -> None:
    """Mails and calls that wait to be carried out, and those that were given up.

    \b
    Examples:
      smt-ws outbox list
      smt-ws outbox list --dead
      smt-ws outbox retry 17
    """


@outbox.command("list")
@click.option("--dead", is_flag=True, help="Only what was given up.")
@click.pass_obj
def list_(hub: Hub, dead: bool) -> None:
    """List what has not been carried out yet, oldest first."""
    with hub.store.read() as connection:
        rows = effects.waiting(connection, dead_only=dead)
    if not rows:
        click.echo("nothing waits")
        return
    table = Table("id", "kind", "what", "tries", "next try (UTC)", "last error")
    for row in rows:
        when = "given up" if row.dead else f"{row.not_before:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(row.id), row.kind, row.key, str(row.attempts), when, row.last_error or "")
    Console().print(table)


@outbox.command()
@click.argument("effect_id", type=int)
@click.pass_obj
def retry(hub: Hub, effect_id: int) -> None:
    """Make EFFECT_ID due now, dead or not."""
    if not effects.retry(hub.store, effect_id):
        raise click.ClickException(f"{effect_id} is not in the outbox or is done; see `smt-ws outbox list`")
    click.echo(f"{effect_id} will be tried again now")
