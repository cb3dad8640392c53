"""``smt-ws agreement``: what an operator asks about agreements, and does about those that customers disown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy import select

from smt_ws.agreements.end import release_agreement, terminate_agreement
from smt_ws.agreements.export import export_agreements
from smt_ws.agreements.moving import find_agreement
from smt_ws.agreements.patterns import collectors, patterns
from smt_ws.agreements.rules import INVITING, Actor, Kind, Status, masked_esiid
from smt_ws.agreements.search import CRITERIA, Search, conditions
from smt_ws.agreements.tables import agreement, agreement_history, agreement_premise
from smt_ws.cli.acting import operator
from smt_ws.cli.numbers import NUMBER
from smt_ws.clock import central_today
from smt_ws.hub import Hub
from smt_ws.parties.tables import company, premise

__all__ = ["agreement_command"]


def _searching(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a search."""
    for option in (
        click.option("--status", type=click.Choice([status.value for status in Status])),
        click.option("--kind", type=click.Choice([kind.value for kind in Kind])),
        click.option(
            "--items-from",
            type=click.File(encoding="utf-8"),
            help="Items from a file, one a line or separated by commas.",
        ),
        click.option("--item", "items", multiple=True, help="What is looked for; may end in *."),
        click.option("--by", type=click.Choice(CRITERIA), help="What the items are."),
    ):
        command = option(command)
    return command


def _search(by: str | None, items: Sequence[str], items_from: Any, kind: str | None, status: str | None) -> Search:
    listed = [item.strip() for line in items_from or () for item in line.split(",")]
    return Search(
        by=by,
        items=[*items, *filter(None, listed)],
        kind=Kind(kind) if kind else None,
        status=Status(status) if status else None,
    )


@click.group("agreement")
def agreement_command() -> None:
    """Agreements with customers, as the operator sees them.

    \b
    Examples:
      smt-ws agreement list --status Frozen
      smt-ws agreement list --by last_name --item "akin*"
      smt-ws agreement show 112226000001
      smt-ws agreement export 333333333 --by esiid --items-from esiids.txt
      smt-ws agreement release 112226000001
      smt-ws agreement suspicious
    """


@agreement_command.command("list")
@click.option("--last", type=NUMBER, default=25, show_default=True, help="How many, newest first.")
@_searching
@click.pass_obj
def list_(hub: Hub, /, last: int, **search: Any) -> None:
    """List the newest agreements of all companies."""
    with hub.store.read() as connection:
        rows = connection.execute(
            select(agreement, company.c.legal_name)
            .join(company, company.c.id == agreement.c.company_id)
            .where(*conditions(_search(**search)))
            .order_by(agreement.c.initiated_at.desc(), agreement.c.number.desc())
            .limit(last)
        ).all()
    if not rows:
        click.echo("no agreements")
        return
    # What is looked up again must not be cut on a terminal of 80 columns; names may fold.
    days = ("agreement", "answer by", "ends")
    table = Table(*(Column(name, no_wrap=True) for name in days), "status", "kind", "company", "customer")
    for row in rows:
        answer_by = str(row.expires_on) if Status(row.status) in INVITING else ""
        ends = "" if row.end_day is None else str(row.end_day)
        table.add_row(row.number, answer_by, ends, row.status, row.kind, row.legal_name, row.last_name)
    Console().print(table)


@agreement_command.command()
@click.argument("number")
@click.pass_obj
def show(hub: Hub, number: str) -> None:
    """Show one agreement with its history. ESI IDs are masked, as in letters."""
    with hub.store.read() as connection:
        row = find_agreement(connection, number, lock=False)
        name = connection.scalar(select(company.c.legal_name).where(company.c.id == row.company_id))
        esiids = connection.scalars(
            select(premise.c.esiid)
            .join(agreement_premise, agreement_premise.c.premise_id == premise.c.id)
            .where(agreement_premise.c.number == number, agreement_premise.c.dropped_at.is_(None))
            .order_by(premise.c.esiid)
        ).all()
        history = connection.execute(
            select(agreement_history).where(agreement_history.c.number == number).order_by(agreement_history.c.id)
        ).all()
    click.echo(f"agreement {number} ({row.kind}) of {name}: {row.status}")
    click.echo(f"customer: {row.first_name} {row.last_name} <{row.email}>, account {row.account_id or 'none'}")
    click.echo(f"ESI IDs: {'all, now ' if row.all_meters else ''}{', '.join(map(masked_esiid, esiids)) or 'none'}")
    click.echo(f"affirmed {row.attested_at:%Y-%m-%d %H:%M:%S} UTC from {row.attested_from or 'unknown'}")
    table = Table("at (UTC)", "act", "by", "then", "details")
    for line in history:
        details = ", ".join(f"{key}: {value}" for key, value in line.details.items())
        table.add_row(f"{line.at:%Y-%m-%d %H:%M:%S}", line.act, line.actor, line.to_status, details)
    Console().print(table)


@agreement_command.command()
@click.argument("duns")
@_searching
@click.pass_obj
def export(hub: Hub, /, duns: str, **search: Any) -> None:
    """Put a company's agreements as an encrypted CSV file into its folder DUNS/adhoc."""
    name, rows = export_agreements(hub, duns=duns, search=_search(**search), actor=operator())
    click.echo(f"{rows} agreements in {Path(duns, 'adhoc', name)}")


@agreement_command.command()
@click.argument("number")
@click.pass_obj
def release(hub: Hub, number: str) -> None:
    """Give a frozen agreement its force back: the customer did ask for it."""
    with hub.store.write() as connection:
        release_agreement(connection, find_agreement(connection, number), who=operator(), clock=hub.clock)
    click.echo(f"agreement {number} is in force again; both sides are written to")


@agreement_command.command()
@click.argument("number")
@click.pass_obj
def end(hub: Hub, number: str) -> None:
    """End an agreement; access stops at once, and both sides are written to."""
    with hub.store.write() as connection:
        row = find_agreement(connection, number)
        terminate_agreement(connection, row, actor=Actor.OPERATOR, who=operator(), clock=hub.clock)
    click.echo(f"agreement {number} is ended; both sides are written to")


@agreement_command.command()
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 1100), help="How far back to look.")
@click.pass_obj
def suspicious(hub: Hub, days: int) -> None:
    """Who asks customers how much, what looks like consent that nobody gave, and accounts that collect homes."""
    with hub.store.read() as connection:
        found = patterns(connection, since=hub.clock.now() - timedelta(days=days))
        collecting = collectors(
            connection,
            since=central_today(hub.clock) - timedelta(days=days),
            more_than=hub.settings.agreements.collected_homes_alarm,
        )
    table = Table(
        "company",
        "asked",
        "disowned",
        "accepted from the asker's address",
        "accepted with another e-mail",
        "did not fit together",
        "",
    )
    for one in found:
        look = one.is_suspicious(disowned_alarm=hub.settings.agreements.disowned_alarm)
        figures = map(str, (one.initiated, one.disowned, one.same_address, one.other_email, one.unconfirmed))
        table.add_row(one.legal_name, *figures, "look into it" if look else "")
    Console().print(table)
    for account in collecting:
        click.echo(
            f"account {account.account_id} has added {account.homes} homes, and let {account.companies} companies in"
        )
