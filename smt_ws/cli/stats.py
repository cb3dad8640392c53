"""``smt-ws stats``: how many there are of everything, and what happened in the week and the month to date (P11)."""

from __future__ import annotations

import json
from datetime import date
from itertools import groupby

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from smt_ws.cli.trace import OperatingDay
from smt_ws.clock import central_today
from smt_ws.hub import Hub
from smt_ws.statistics import Statistics, statistics

__all__ = ["stats"]


@click.command()
@click.option("--day", type=OperatingDay(), help="Last day of the week and of the month to date; default: today.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def stats(hub: Hub, day: date | None, as_json: bool) -> None:
    """Count meters, companies, customers, devices, agreements and orders, and what happened in a week and a month.

    The week is the seven days that end with the day, the month the days from its first; days are those of US Central.

    \b
    Examples:
      smt-ws stats
      smt-ws stats --day 2026-10-31
      smt-ws stats --json | jq '.standing["HAN devices"]'
    """
    with hub.store.read() as connection:
        found = statistics(connection, day=day or central_today(hub.clock))
    if as_json:
        click.echo(json.dumps(_plain(found), indent=2))
        return
    console = Console()
    console.print(_standing(found))
    console.print()
    console.print(_activity(found))
    click.echo(f"\nSupport: {hub.settings.support_contact}")


def _standing(found: Statistics) -> Table:
    table = Table(Column(), Column("Now", justify="right", no_wrap=True), box=None)
    for section, rows in groupby(found.standing, lambda row: row.section):
        whole = list(rows)
        table.add_row(f"[bold]{escape(section)}[/]", f"[bold]{sum(row.count for row in whole):,}[/]")
        for group, members in groupby(whole, lambda row: row.group):
            of_group = list(members)
            table.add_row(f"  {escape(group)}", f"{sum(row.count for row in of_group):,}")
            for row in of_group:
                table.add_row(f"    {escape(row.name)}", f"{row.count:,}", style="dim")
    return table


def _activity(found: Statistics) -> Table:
    period = found.period
    table = Table(
        Column(f"{period.week_from} to {period.day}"),
        Column("Week", justify="right", no_wrap=True),
        Column("Month to date", justify="right", no_wrap=True),
        box=None,
    )
    # a section's rows may come from several tables
    for section, rows in groupby(sorted(found.activity, key=lambda row: row.section), lambda row: row.section):
        table.add_row(f"[bold]{escape(section)}[/]")
        for row in rows:
            table.add_row(f"  {escape(row.name)}", f"{row.week:,}", f"{row.month:,}")
    return table


def _plain(found: Statistics) -> dict[str, object]:
    period = found.period
    standing: dict[str, list[dict[str, object]]] = {}
    for row in found.standing:
        standing.setdefault(row.section, []).append({"group": row.group, "name": row.name, "count": row.count})
    activity: dict[str, list[dict[str, object]]] = {}
    for one in found.activity:
        activity.setdefault(one.section, []).append({"name": one.name, "week": one.week, "month": one.month})
    return {
        "day": str(period.day),
        "week_from": str(period.week_from),
        "month_from": str(period.month_from),
        "standing": standing,
        "activity": activity,
    }
