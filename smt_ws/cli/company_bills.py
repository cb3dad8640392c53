"""``smt-ws company bill-end-day``: what a TDSP means by the end date of its bills."""

from __future__ import annotations

import click

from smt_ws.cli.acting import operator
from smt_ws.hub import Hub
from smt_ws.usage.bill_periods import EndDay

__all__ = ["bill_end_day"]


@click.group("bill-end-day")
def bill_end_day() -> None:
    """What a TDSP means by the end date of its bills (END_DATE).

    INCLUSIVE, as for every TDSP at first: it is the last day of the period. SHARED: it is the day of the meter reading,
    on which the next period begins, and the period runs up to it. Reports show the dates as they were sent.

    \b
    Examples:
      smt-ws company bill-end-day set 1039940674000 SHARED
      smt-ws company bill-end-day show
    """


@bill_end_day.command("set")
@click.argument("duns")
@click.argument("end_day", type=click.Choice([one.value for one in EndDay], case_sensitive=False))
@click.pass_obj
def set_(hub: Hub, duns: str, end_day: str) -> None:
    """Read the end dates of the TDSP with DUNS so from now on, of bills already loaded too.

    Reports that have been asked for stay as they are.
    """
    from smt_ws.usage.bill_end_days import set_end_day

    set_end_day(hub.store, duns=duns, end_day=EndDay(end_day), actor=operator(), clock=hub.clock)
    click.echo(f"{duns}: {end_day}")


@bill_end_day.command()
@click.pass_obj
def show(hub: Hub) -> None:
    """Show what every TDSP means."""
    from smt_ws.usage.bill_end_days import end_days

    with hub.store.read() as connection:
        found = end_days(connection)
    for duns, name, end_day in found:
        click.echo(f"{duns:<14}{end_day.value:<11}{name}")
