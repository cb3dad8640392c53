"""``smt-ws order``: what an operator asks about orders."""

from __future__ import annotations

import time

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import select

from smt_ws.cli.numbers import NUMBER
from smt_ws.hub import Hub
from smt_ws.orders.errors import OrderUnknownError
from smt_ws.orders.rules import FINISHED_PARTS, PartState, Status
from smt_ws.orders.status import order_summary
from smt_ws.orders.tables import order_part, report_order

__all__ = ["order"]

_RUNNING = {Status.PENDING.value, Status.IN_PROGRESS.value}


@click.group()
def order() -> None:
    """Orders and their parts, as the operator sees them.

    \b
    Examples:
      smt-ws order list
      smt-ws order show 100017
      smt-ws order watch 100017
    """


@order.command("list")
@click.option("--last", type=NUMBER, default=20, show_default=True, help="How many, newest first.")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Only orders in this status.")
@click.pass_obj
def list_(hub: Hub, last: int, status: str | None) -> None:
    """List the newest orders of all companies."""
    query = select(report_order).order_by(report_order.c.number.desc()).limit(last)
    if status:
        query = query.where(report_order.c.status == status)
    with hub.store.read() as connection:
        rows = connection.execute(query).all()
    if not rows:
        click.echo("no orders")
        return
    table = Table("order", "DUNS", "report", "days", "ESI IDs", "status", "accepted (UTC)")
    for row in rows:
        table.add_row(
            str(row.number),
            row.duns,
            f"{row.report} {row.format}",
            f"{row.first_day} … {row.last_day}",
            f"{row.esiids_asked:,}",
            row.status,
            f"{row.accepted_at:%Y-%m-%d %H:%M:%S}",
        )
    Console().print(table)


@order.command()
@click.argument("number", type=NUMBER)
@click.pass_obj
def show(hub: Hub, number: int) -> None:
    """Show one order with its parts."""
    with hub.store.read() as connection:
        found = order_summary(connection, number)
        duns = connection.execute(select(report_order.c.duns).where(report_order.c.number == number)).scalar_one()
        parts = connection.execute(
            select(order_part).where(order_part.c.order_number == number).order_by(order_part.c.part)
        ).all()
    click.echo(f"order {number} of DUNS {duns}: {found.status.value}")
    if found.failure:
        click.echo(f"failed: {found.failure}")
    click.echo(
        f"done: {found.parts_done:,} of {found.parts_total:,} parts, "
        f"{found.esiids_done:,} of {found.esiids_total:,} ESI IDs"
    )
    open_days = found.days_asked - found.days_delivered - found.days_excepted
    click.echo(
        f"ESI-ID-days: {found.days_asked:,} asked = {found.days_delivered:,} delivered "
        f"+ {found.days_excepted:,} excepted" + (f" + {open_days:,} open" if open_days else "")
    )
    table = Table("part", "kind", "state", "ESI IDs", "days", "records", "bytes", "tries")
    for part in parts:
        table.add_row(
            str(part.part),
            part.kind,
            part.state,
            f"{part.esiids:,}",
            f"{part.days_planned:,}",
            f"{part.records:,}" if part.records is not None else "",
            f"{part.size:,}" if part.size is not None else "",
            str(part.attempts),
        )
    Console().print(table)
    for part in parts:
        click.echo(f"{part.part}: {part.last_error or part.file_name}")


@order.command()
@click.argument("number", type=NUMBER)
@click.pass_obj
def watch(hub: Hub, number: int) -> None:
    """Follow an order to its end; exit code 1 if it does not complete."""
    columns = (TextColumn("order {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task(str(number), total=None)
        while True:
            with hub.store.read() as connection:
                status = connection.execute(
                    select(report_order.c.status).where(report_order.c.number == number)
                ).scalar_one_or_none()
                states = connection.execute(
                    select(order_part.c.state).where(order_part.c.order_number == number)
                ).scalars()
                done = [PartState(state) in FINISHED_PARTS for state in states]
            if status is None:
                raise OrderUnknownError(f"there is no order {number}; see `smt-ws order list`")
            progress.update(task, total=len(done), completed=sum(done))
            if status not in _RUNNING:
                break
            time.sleep(0.5)
    click.echo(f"order {number}: {status}")
    if status not in {Status.COMPLETE.value, Status.COMPLETE_WITH_EXCEPTIONS.value}:
        raise click.exceptions.Exit(1)
