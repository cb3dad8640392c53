"""``smt-ws trace``: where the figures of one ESI ID and day come from, and which reports carried them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter

import click
import numpy as np

from adapters.central_day import CENTRAL, interval_starts_utc
from smt_ws.hub import Hub
from smt_ws.orders.trace import Answered, Carried, answers_with, files_with
from smt_ws.parties.grounds import legal_names
from smt_ws.usage.errors import FileRefusedError
from smt_ws.usage.lines import archived_file, line_of
from smt_ws.usage.sealed import Opening
from smt_ws.usage.trace import BillVersion, DayVersion, ReadVersion, Trace
from smt_ws.usage.trace import trace as trace_day

__all__ = ["OperatingDay", "trace"]

_CHANNELS = {4: "consumption", 1: "generation"}


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
@click.option("--intervals", "show_intervals", is_flag=True, help="Show the latest values too, an hour a line.")
@click.pass_obj
def trace(hub: Hub, esiid: str, day: date, show_intervals: bool) -> None:
    """Show where an ESI ID's figures of an operating day come from: files and lines, versions, flags, reports.

    Intervals, register and bill stand side by side: in this market they often differ. Lines are looked up in the
    archived files. Exit code 1 if no premise has the ESI ID.

    \b
    Examples:
      smt-ws trace 10443720007574303 2026-11-17
      smt-ws trace 10443720007574303 2026-11-17 --intervals
    """
    with hub.store.read() as connection:
        found = trace_day(connection, esiid, day)
        if found is None:
            raise click.ClickException(f"no premise has the ESI ID {esiid}")
        files = list(files_with(connection, premise_id=found.place.premise_id, day=day))
        answers = list(answers_with(connection, premise_id=found.place.premise_id, day=day))
        duns = {found.place.tdsp_duns, *found.place.rep_duns, *(file.duns for file in files)}
        names = legal_names(connection, duns)
    pages = [
        [f"{esiid}, {day:%A} {day.day} {day:%B %Y}", "", *_place(found, names)],
        _side_by_side(found),
        _versions(hub, found, show_intervals),
        _reports(files, answers, names),
    ]
    click.echo("\n\n".join("\n".join(page) for page in pages))


def _place(found: Trace, names: dict[str, str]) -> Iterator[str]:
    place = found.place
    yield f"  premise    {place.status}, {place.premise_type or 'type not known'}"
    yield f"  TDSP       {_named(place.tdsp_duns, names)}"
    served = ", ".join(_named(duns, names) for duns in place.rep_duns)
    yield f"  served by  {served or 'nobody on that day'}"
    for number, installed, provisioned, removed in place.meters:
        until = f", removed {removed}" if removed else ""
        since = f"provisioned {provisioned}" if provisioned else "not provisioned"
        yield f"  meter      {number}, installed {installed}, {since}{until}"
    if not place.meters:
        yield "  meter      none on that day"


def _side_by_side(found: Trace) -> list[str]:
    """Intervals, register and bills, a column each channel that there is."""
    days = {one.channel: one for one in found.days if one.origin.replaced_by is None}
    reads = {one.channel: one for one in found.reads if one.origin.replaced_by is None}
    channels = [channel for channel in _CHANNELS if channel in days or channel in reads] or [4]

    def line(name: str, values: Sequence[int | None], more: str = "") -> str:
        return f"  {name:24}{''.join(f'{_kwh(wh):>14}' for wh in values)}{more}".rstrip()

    lines = [f"{'kWh':26}" + "".join(f"{_CHANNELS[channel]:>14}" for channel in channels)]
    lines.append(line("intervals", [days[one].sum_wh if one in days else None for one in channels]))
    lines.append(line("register", [reads[one].usage_wh if one in reads else None for one in channels]))
    apart = [_apart(days.get(one), reads.get(one)) for one in channels]
    lines.append(line("intervals - register", apart))
    for bill in (one for one in found.bills if one.origin.replaced_by is None):
        length = (bill.last_covered - bill.first_day).days + 1
        lines.append(f"  bill {bill.first_day} … {bill.last_day}{', cancelled' if bill.cancelled else ''}")
        lines.append(line("  billed", [bill.actual_wh]))
        partial = f", {bill.partial_days} with intervals missing" if bill.partial_days else ""
        lines.append(line("  its intervals", [bill.interval_wh], f"  {bill.interval_days} of {length} days{partial}"))
        lines.append(line("  its register", [bill.register_wh], f"  {bill.register_days} of {length} days"))
    return lines


def _apart(day: DayVersion | None, read: ReadVersion | None) -> int | None:
    if day is None or day.sum_wh is None or read is None or read.usage_wh is None:
        return None
    return day.sum_wh - read.usage_wh


def _versions(hub: Hub, found: Trace, show_intervals: bool) -> list[str]:
    lines: list[str] = []
    for channel, of_one in groupby(found.days, key=attrgetter("channel")):
        lines += ["", f"intervals, {_CHANNELS[channel]}"]
        for day in reversed(list(of_one)):
            letters = ((day.actual, "A"), (day.estimated, "E"), (day.missing, "missing"))
            counts = ", ".join(f"{count} {letter}" for count, letter in letters if count)
            total = "no value" if day.sum_wh is None else f"{_kwh(day.sum_wh)} kWh"
            what = f"{counts}; {total}{''.join(f'; {flag}' for flag in day.flags)}"
            lines += _version(hub, found, day, what)
            if show_intervals and day.origin.replaced_by is None:
                lines += _intervals(day, found.day)
    for channel, reads_of_one in groupby(found.reads, key=attrgetter("channel")):
        lines += ["", f"register reads, {_CHANNELS[channel]}"]
        for read in reversed(list(reads_of_one)):
            what = f"{_kwh(read.start_wh)} to {_kwh(read.stop_wh)}: {_kwh(read.usage_wh)} kWh; {read.status}"
            lines += _version(hub, found, read, what)
    if found.bills:
        lines += ["", "bills"]
    for bill in reversed(found.bills):
        cancelled = "; cancelled" if bill.cancelled else ""
        what = f"{bill.first_day} … {bill.last_day}: {_kwh(bill.actual_wh)} kWh{cancelled}"
        lines += _version(hub, found, bill, what)
    return lines[1:] or ["no intervals, no register read and no bill"]


def _version(hub: Hub, found: Trace, version: DayVersion | ReadVersion | BillVersion, what: str) -> Iterator[str]:
    origin = version.origin
    latest = "the latest" if origin.replaced_by is None else f"replaced by load {origin.replaced_by}"
    yield f"  load {origin.load_number}, {latest}: {what}"
    yield f"    {origin.file_name}, {_line(hub, found, version)}"
    yield f"    loaded {_time(origin.loaded_at)}, SHA-256 {origin.sha256[:12]}…"


def _line(hub: Hub, found: Trace, version: DayVersion | ReadVersion | BillVersion) -> str:
    settings, origin = hub.settings, version.origin
    file = archived_file(settings.intake.archive, origin)
    if file is None:
        return "line not known: it is not in the archive"
    try:
        esiid, opening = found.place.esiid, Opening.of(settings)
        line = line_of(version, file, esiid=esiid, day=found.day, opening=opening)
    except (FileRefusedError, OSError) as error:
        return f"line not known: {error}"
    return "line not found in the archived file" if line is None else f"line {line:,}"


def _intervals(day: DayVersion, on: date) -> Iterator[str]:
    """The values, four a line, each line with the local time at which it begins; what is not actual is marked."""
    values = np.frombuffer(day.values, "<i4").tolist()
    letters = (day.statuses or b"A" * len(values)).decode()
    starts = interval_starts_utc(on)
    for begin in range(0, len(values), 4):
        cells = (
            f"{'-' if letter == 'M' else _kwh(wh):>10}{' ' if letter in 'AM' else letter}"
            for wh, letter in zip(values[begin : begin + 4], letters[begin : begin + 4], strict=True)
        )
        yield f"      {starts[begin].astimezone(CENTRAL):%H:%M %Z}{''.join(cells)}".rstrip()


def _reports(files: Sequence[Carried], answers: Sequence[Answered], names: dict[str, str]) -> list[str]:
    lines = ["reports with this day"]
    for file in files:
        asked = f"posted for {file.posting_day}" if file.posting_day else "asked for"
        lines.append(
            f"  order {file.order_number}-{file.part}, {_named(file.duns, names)}: {file.report} {file.format}, {asked}"
        )
        lines += [f"    {_outcome(file)}, as of load {file.as_of_load}", f"    {file.file_name}"]
    lines += [
        f"  answered at once to {one.actor} on {_time(one.at)}: {one.report} {one.format},"
        f" {one.days_delivered} days delivered, {one.days_excepted} not"
        for one in answers
    ]
    return lines if len(lines) > 1 else ["no report has had this day"]


def _outcome(file: Carried) -> str:
    said = {"missing": "missing, its exceptions file says why", "planned": "not built yet"}.get(file.outcome)
    return said or f"carried, published {_time(file.published_at)}"


def _named(duns: str, names: dict[str, str]) -> str:
    return f"{names[duns]} ({duns})" if duns in names else duns


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _kwh(wh: int | None) -> str:
    return "-" if wh is None else f"{wh / 1000:,.3f}"
