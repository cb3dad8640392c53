"""``smt-ws check-certificate``: every check that a connection would run on a certificate, each with its result."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy.exc import DBAPIError

from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.parties import certificates

__all__ = ["check_certificate"]

_COLOURS = {"passed": "green", "failed": "bold red", "warning": "yellow", "not_applicable": "dim"}


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--no-database", is_flag=True, help="Do not look up whose the certificate is.")
@click.pass_obj
def check_certificate(hub: Hub, file: Path, no_database: bool) -> None:
    """Run every check that a connection would run on the certificate in FILE (PEM or DER).

    A server's certificate (serverAuth alone) is judged as one: no client's registration is asked of it. The exit code
    is 1 if a check fails.

    \b
    Examples:
      smt-ws check-certificate pecan-tls.crt
      smt-ws check-certificate --no-database before-it-is-registered.crt
    """
    tls = hub.settings.tls
    authorities, crls = certificates.trusted_by(tls)
    content = file.read_bytes()
    as_server = certificates.serves_alone(content)
    try:
        checks = certificates.check_certificate(
            content, store=None if no_database else hub.store, authorities=authorities, crls=crls,
            when_crl_expired=tls.when_crl_expired, now=real_now(), environment=hub.settings.environment,
            as_server=as_server,
        )  # fmt: skip
    except DBAPIError as error:
        raise click.ClickException(
            "The database could not be asked (smt-ws db check). Without it: --no-database"
        ) from error
    table = Table("Check", "Result", Column("Detail", overflow="fold"))
    for check in checks:
        colour = _COLOURS[check.result]
        table.add_row(check.name, f"[{colour}]{check.result.replace('_', ' ')}[/]", escape(check.detail))
    Console().print(table)
    failed = sum(check.result == "failed" for check in checks)
    if failed:
        what = "a client would not trust it" if as_server else "a connection with this certificate would be refused"
        click.echo(f"{failed} failed: {what}.")
        raise click.exceptions.Exit(1)
    if as_server:
        click.echo("A good certificate for a server. No client can connect with it: that needs clientAuth.")
    else:
        click.echo("A connection with this certificate would pass.")
