"""``smt-ws trace``: where the figures of one ESI ID and day come from, and which files carried them."""

from __future__ import annotations

from datetime import date, datetime

import click
from rich.console import Console
from rich.table import Table

from smt_ws.hub import Hub
from smt_ws.orders.trace import files_with
from smt_ws.usage.trace import Origin, Trace
from smt_ws.usage.trace import trace as trace_day

__all__ = ["OperatingDay", "trace"]

_CHANNELS = {1: "generation", 4: "consumption"}


class OperatingDay(click.ParamType[date]):
    """An operating day on the command line."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read ``YYYY-MM-DD``."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day such as 2026-11-17", param, ctx)


@click.command()
@click.argument("esiid")
@click.argument("day", type=OperatingDay())
@click.pass_obj
def trace(hub: Hub, esiid: str, day: date) -> None:
    """Show all that is known of an ESI ID's operating day: loads, versions, flags, sums, and files that carried it.

    Exit code 1 if no premise has the ESI ID.

    \b
    Example:
      smt-ws trace 10443720007574303 2026-11-17
    """
    with hub.store.read() as connection:
        found = trace_day(connection, esiid, day)
        if found is None:
            raise click.ClickException(f"no premise has the ESI ID {esiid}")
        files = list(files_with(connection, premise_id=found.place.premise_id, day=day))
    place = found.place
    click.echo(f"{place.esiid}  {day}")
    click.echo(f"  TDSP {place.tdsp_duns}; {place.status}, {place.premise_type or 'type not known'}")
    click.echo(f"  REP of record that day: {', '.join(place.rep_duns) or 'none'}")
    for number, installed, provisioned, removed in place.meters:
        click.echo(f"  meter {number}: installed {installed}, provisioned {provisioned}, removed {removed or '-'}")
    if not place.meters:
        click.echo("  no meter that day")
    console = Console()
    _print_days(console, found)
    _print_reads(console, found)
    _print_bills(console, found)
    table = Table("order", "DUNS", "report", "file", "as of load", "outcome", "published (UTC)", title="files")
    for file in files:
        table.add_row(
            f"{file.order_number}-{file.part}",
            file.duns,
            file.report,
            file.file_name,
            str(file.as_of_load),
            file.outcome,
            _time(file.published_at),
        )
    _show(console, table)


def _print_days(console: Console, found: Trace) -> None:
    table = Table("channel", *_ORIGIN, "A", "E", "missing", "kWh", "flags", title="intervals")
    for version in found.days:
        table.add_row(
            _CHANNELS.get(version.channel, str(version.channel)),
            *_origin(version.origin),
            str(version.actual),
            str(version.estimated),
            str(version.missing),
            _kwh(version.sum_wh),
            " ".join(version.flags),
        )
    _show(console, table)


def _print_reads(console: Console, found: Trace) -> None:
    latest = {version.channel: version.sum_wh for version in found.days if version.origin.replaced_by is None}
    table = Table("channel", *_ORIGIN, "start", "stop", "kWh", "A/E", "intervals - register", title="register reads")
    for read in found.reads:
        intervals = latest.get(read.channel)
        apart = None if intervals is None or read.usage_wh is None else intervals - read.usage_wh
        table.add_row(
            _CHANNELS.get(read.channel, str(read.channel)),
            *_origin(read.origin),
            _kwh(read.start_wh),
            _kwh(read.stop_wh),
            _kwh(read.usage_wh),
            read.status,
            _kwh(apart),
        )
    _show(console, table)


def _print_bills(console: Console, found: Trace) -> None:
    table = Table("period", *_ORIGIN, "billed kWh", "intervals (days)", "register (days)", title="bills")
    for bill in found.bills:
        table.add_row(
            f"{bill.first_day} … {bill.last_day}",
            *_origin(bill.origin),
            f"{_kwh(bill.actual_wh)}{' cancelled' if bill.cancelled else ''}",
            f"{_kwh(bill.interval_wh)} ({bill.interval_days})",
            f"{_kwh(bill.register_wh)} ({bill.register_days})",
        )
    _show(console, table)


_ORIGIN = ("load", "file", "loaded (UTC)", "replaced by")


def _origin(origin: Origin) -> tuple[str, str, str, str]:
    return str(origin.load_number), origin.file_name, _time(origin.loaded_at), str(origin.replaced_by or "-")


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def _kwh(wh: int | None) -> str:
    return "-" if wh is None else f"{wh / 1000:,.3f}"


def _show(console: Console, table: Table) -> None:
    if table.row_count:
        console.print(table)
    else:
        click.echo(f"{table.title}: none")
