"""``smt-ws completeness`` and ``smt-ws missing-usage``: what has come and what has not (U7)."""

from __future__ import annotations

from collections import deque
from datetime import date, timedelta

import click
from rich.console import Console
from rich.table import Column, Table

from smt_ws.cli.trace import OperatingDay
from smt_ws.clock import central_today
from smt_ws.hub import Hub
from smt_ws.usage.completeness import survey
from smt_ws.usage.presence import CONSUMPTION, GENERATION

__all__ = ["completeness", "missing_usage"]


@click.command()
@click.option("--day", type=OperatingDay(), help="One operating day; default: the seven latest that are due.")
@click.option("--tdsp", "tdsp_duns", help="Only this TDSP's.")
@click.pass_obj
def completeness(hub: Hub, day: date | None, tdsp_duns: str | None) -> None:
    """Show by TDSP and day how many provisioned ESI IDs have data, and how much of it is actual and estimated.

    Under "partly" are those that have data, but none of a channel that is due. Actual, estimated and missing are
    shares of the intervals of consumption.

    \b
    Examples:
      smt-ws completeness
      smt-ws completeness --day 2026-11-17 --tdsp 1039940674000
    """
    last = day or _latest_due(hub)
    seen = survey(hub.store, first_day=day or last - timedelta(days=6), last_day=last, tdsp_duns=tdsp_duns)
    deque(seen, maxlen=0)
    # without lines it fits a terminal of 80 columns
    right = ("meters", "no data", "partly", "complete", "actual", "est.", "missing")
    columns = (Column(name, no_wrap=True) for name in ("TDSP", "day"))
    table = Table(
        *columns, *(Column(name, justify="right", no_wrap=True) for name in right), box=None, padding=(0, 1, 0, 0)
    )
    for one in seen.ordered():
        table.add_row(
            one.tdsp_duns,
            str(one.day),
            f"{one.provisioned:,}",
            f"{one.without_data:,}",
            f"{one.without_channel:,}",
            f"{one.complete:.2%}",
            *(f"{one.share(intervals):.2%}" for intervals in (one.actual, one.estimated, one.missing)),
        )
    if table.row_count:
        Console().print(table)
    else:
        click.echo("no provisioned meter, no data")


@click.command("missing-usage")
@click.option("--day", type=OperatingDay(), help="One operating day; default: all that the report looks back on.")
@click.option("--tdsp", "tdsp_duns", help="Only this TDSP's.")
@click.option("--most", default=50, show_default=True, help="Rows shown; the rest is counted.")
@click.pass_obj
def missing_usage(hub: Hub, day: date | None, tdsp_duns: str | None, most: int) -> None:
    """List provisioned ESI IDs and the days of which there is no data, or none of a channel that is due.

    The daily report of the same goes to every TDSP's /reports/.

    \b
    Examples:
      smt-ws missing-usage
      smt-ws missing-usage --day 2026-11-17 --most 1000
    """
    last = day or _latest_due(hub)
    first = day or central_today(hub.clock) - timedelta(days=hub.settings.limits.missing_days_back)
    seen = survey(hub.store, first_day=min(first, last), last_day=last, tdsp_duns=tdsp_duns)
    names = (Column(name, no_wrap=True) for name in ("ESI ID", "TDSP", "from", "to"))
    table = Table(*names, Column("days", justify="right"), "missing", box=None, padding=(0, 1, 0, 0))
    spells = days = partly = 0
    for spell in seen:
        spells += 1
        if spell.channel is None:
            days += spell.days
        else:
            partly += spell.days
        if spells <= most:
            what = {None: "all", CONSUMPTION: "consumption", GENERATION: "generation"}[spell.channel]
            dates = (str(spell.first_day), str(spell.last_day))
            table.add_row(spell.esiid, spell.tdsp_duns, *dates, str(spell.days), what)
    if spells:
        Console().print(table)
    if spells > most:
        click.echo(f"… and {spells - most:,} more")
    click.echo(f"{days:,} ESI-ID-days without data from {min(first, last)} to {last}")
    if partly:
        click.echo(f"{partly:,} ESI-ID-days of which one channel is missing")


def _latest_due(hub: Hub) -> date:
    return central_today(hub.clock) - timedelta(days=hub.settings.limits.due_days)
