"""``smt-ws company callback``: where a company has the hub call it."""

from __future__ import annotations

import click

from smt_ws.cli.acting import operator
from smt_ws.hub import Hub
from smt_ws.parties import callback as use_cases

__all__ = ["callback"]


@click.group()
def callback() -> None:
    """Where the hub calls a company (RequesterCallback) when something that it asked for has gone on.

    The company's answers are to be signed with a signing certificate registered for it.

    \b
    Examples:
      smt-ws company callback set 111111111 https://hooks.pecan.example/soap/RequesterCallback
      smt-ws company callback show 111111111
      smt-ws company callback clear 111111111
    """


@callback.command("set")
@click.argument("duns")
@click.argument("url")
@click.pass_obj
def set_(hub: Hub, duns: str, url: str) -> None:
    """Call the company at URL from now on: https, and outside a sandbox a host on the public Internet."""
    use_cases.set_callback(
        hub.store, duns=duns, url=url, environment=hub.settings.environment, actor=operator(), clock=hub.clock
    )
    click.echo(f"Called at {url} from now on.")


@callback.command()
@click.argument("duns")
@click.pass_obj
def clear(hub: Hub, duns: str) -> None:
    """Call the company no more; what is queued for it is dropped."""
    use_cases.clear_callback(hub.store, duns=duns, actor=operator(), clock=hub.clock)
    click.echo("No longer called.")


@callback.command()
@click.argument("duns")
@click.pass_obj
def show(hub: Hub, duns: str) -> None:
    """Show where the company is called."""
    click.echo(use_cases.callback_url(hub.store, duns) or "It is not called.")
