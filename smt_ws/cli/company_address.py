"""``smt-ws company allow-address``: the IP networks that a company may call from."""

from __future__ import annotations

import click

from smt_ws.cli.acting import operator
from smt_ws.hub import Hub
from smt_ws.parties import companies, networks

__all__ = ["allow_address"]


@click.group("allow-address")
def allow_address() -> None:
    """The IP addresses and networks that a company may call from, over SOAP and FTPS. No list: from anywhere.

    The first entry shuts out every other address, from the next request on.

    \b
    Examples:
      smt-ws company allow-address add 111111111 192.0.2.0/24
      smt-ws company allow-address add 111111111 2001:db8:77::/48
      smt-ws company allow-address list 111111111
    """


@allow_address.command("add")
@click.argument("duns")
@click.argument("network")
@click.pass_obj
def add(hub: Hub, duns: str, network: str) -> None:
    """Let the company call from NETWORK: an address, or a network such as 192.0.2.0/24."""
    plain = networks.allow_network(hub.store, duns=duns, network=network, actor=operator(), clock=hub.clock)
    click.echo(f"Allowed: {plain}")


@allow_address.command("remove")
@click.argument("duns")
@click.argument("network")
@click.pass_obj
def remove(hub: Hub, duns: str, network: str) -> None:
    """Take NETWORK from the list. When the last one is gone, the company may call from anywhere."""
    plain = networks.disallow_network(hub.store, duns=duns, network=network, actor=operator(), clock=hub.clock)
    click.echo(f"No longer listed: {plain}")


@allow_address.command("list")
@click.argument("duns")
@click.pass_obj
def list_networks(hub: Hub, duns: str) -> None:
    """List the networks that the company may call from."""
    listed = companies.find_company(hub.store, duns).allowed_networks
    click.echo("\n".join(listed) or "No list: from anywhere.")
