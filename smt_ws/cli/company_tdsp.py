"""``smt-ws company tdsp-endpoint``: where the hub calls a TDSP's own web service."""

from __future__ import annotations

import click

from smt_ws.cli.acting import operator
from smt_ws.hub import Hub

__all__ = ["tdsp_endpoint"]


@click.group("tdsp-endpoint")
def tdsp_endpoint() -> None:
    """Where the hub calls a TDSP's own web service (TDSPHan) for devices and messages.

    Its answers must be signed with a certificate registered for signing (smt-ws company certificate add).

    \b
    Examples:
      smt-ws company tdsp-endpoint set 1039940674000 https://han.tdsp.example:5300/soap/TDSPHan
      smt-ws company tdsp-endpoint show
    """


@tdsp_endpoint.command("set")
@click.argument("duns")
@click.argument("url")
@click.pass_obj
def set_(hub: Hub, duns: str, url: str) -> None:
    """Call the TDSP with DUNS at URL (https) from now on."""
    from smt_ws.han.tdsp_endpoints import set_endpoint

    set_endpoint(hub.store, duns=duns, url=url, actor=operator(), clock=hub.clock)
    click.echo(f"{duns} is called at {url} from now on.")


@tdsp_endpoint.command()
@click.argument("duns")
@click.pass_obj
def clear(hub: Hub, duns: str) -> None:
    """Call the TDSP with DUNS no more; what is for it waits in the outbox."""
    from smt_ws.han.tdsp_endpoints import clear_endpoint

    gone = clear_endpoint(hub.store, duns=duns, actor=operator(), clock=hub.clock)
    click.echo(f"{duns} is not called any more." if gone else f"{duns} has no endpoint.")


@tdsp_endpoint.command()
@click.pass_obj
def show(hub: Hub) -> None:
    """Show every TDSP and where it is called."""
    from smt_ws.han.tdsp_endpoints import endpoints

    with hub.store.read() as connection:
        found = endpoints(connection)
    for duns, name, url in found:
        click.echo(f"{duns:<14}{url or 'not set: what is for it waits':<60}  {name}")
