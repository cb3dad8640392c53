"""``smt-ws why``: may a company see a day of an ESI ID, and why; and if there is no data, why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime

import click
from sqlalchemy import Connection

from smt_ws.cli.trace import OperatingDay
from smt_ws.clock import central_today
from smt_ws.hub import Hub
from smt_ws.parties.access import Access, authorise
from smt_ws.parties.companies import find_company
from smt_ws.parties.grounds import Ground, grounds, legal_names, served_by
from smt_ws.parties.rules import KINDS, REASON_CODES, REASONS
from smt_ws.usage.loads import snapshot
from smt_ws.usage.missing import explain_missing
from smt_ws.usage.presence import CONSUMPTION
from smt_ws.usage.read import CHANNELS, read_days
from smt_ws.usage.remarks import CODES, REMARKS

__all__ = ["why"]


@click.command()
@click.argument("duns")
@click.argument("esiid")
@click.argument("day", type=OperatingDay())
@click.pass_obj
def why(hub: Hub, duns: str, esiid: str, day: date) -> None:
    """Say whether a company may see an ESI ID's operating day, and why; and if there is no data, why.

    Exit code 1 if it would get nothing.

    \b
    Example:
      smt-ws why 111111111 10443720007574303 2026-11-17
    """
    company, now = find_company(hub.store, duns), hub.clock.now()
    with hub.store.read() as connection:
        access = authorise(
            connection,
            company_id=company.company_id,
            kind=company.kind,
            duns_numbers=list(company.duns),
            esiids=[esiid],
            first_day=day,
            last_day=day,
            now=now,
            allow_test_esiids=hub.settings.allow_test_esiids,
        )
        has = grounds(
            connection,
            company_id=company.company_id,
            kind=company.kind,
            duns_numbers=list(company.duns),
            esiid=esiid,
        )
        served = served_by(connection, esiid=esiid, day=day)
        names = legal_names(connection, [served] if served else [])
        click.echo(f"{company.legal_name} ({duns}), {KINDS[company.kind].meaning}")
        click.echo(f"{esiid}, {day:%A} {day.day} {day:%B %Y}; served by {_rep(served, names)}")
        if company.suspended_at is not None:
            click.echo(f"\nsuspended since {_time(company.suspended_at)}: every request is refused")
        click.echo("")
        if access.days_refused:
            reason = REASON_CODES[int(access.refusals["code"][0])]
            click.echo(f"may not see it: {reason.value}\n  {REASONS[reason]}")
            if has:
                click.echo("  What it has, or had, at this premise:")
            for line in _told(has, now):
                click.echo(f"    {line}")
            raise click.exceptions.Exit(1)
        click.echo("may see it:")
        for line in _told([one for one in has if one.opens(day, now=now)], now):
            click.echo(f"  {line}")
        click.echo("")
        there = _data(hub, connection, access)
    if not there or company.suspended_at is not None:
        raise click.exceptions.Exit(1)


def _told(has: Sequence[Ground], now: datetime) -> Iterator[str]:
    """Each ground in a line."""
    for one in has:
        days = "every day" if one.first is None else f"{one.first} … {one.last or 'open'}"
        if one.what == "wires":
            yield f"the premise is on its wires ({one.name}): {days}"
        elif one.what == "service":
            yield f"REP of record ({one.name}): {days}"
        else:
            assert one.given is not None
            end = "" if one.ended is None else f", {'ended' if one.ended <= now else 'ends'} {_time(one.ended)}"
            yield f"{one.name.replace(':', ' ')}: {days}, given {_time(one.given)}{end}"


def _data(hub: Hub, connection: Connection, access: Access) -> bool:
    """Say what data there is, or why there is none; return whether there is any."""
    limits, as_of = hub.settings.limits, snapshot(connection)
    found = read_days(connection, slices=access.slices, channels=CHANNELS["A"], as_of=as_of)
    for one in found:
        channel = "consumption" if one.channel == CONSUMPTION else "generation"
        click.echo(f"data: {channel}, {len(one.values) // 4} intervals, loaded {_time(one.revised)}")
    for remark in found.remarks():
        channel = "consumption" if remark["channel"] == CONSUMPTION else "generation"
        click.echo(f"remark: {channel}, {CODES[remark['code']]}\n  {REMARKS[CODES[remark['code']]]}")
    if not len(found.missing):
        return True
    missing = explain_missing(
        connection,
        found.missing,
        channels=CHANNELS["A"],
        as_of=as_of,
        today=central_today(hub.clock),
        due_days=limits.due_days,
        late_days=limits.late_days,
        told=found.told,
    )
    reason = REASON_CODES[int(missing["code"][0])]
    click.echo(f"but there is no data: {reason.value}\n  {REASONS[reason]}")
    return False


def _rep(duns: str | None, names: dict[str, str]) -> str:
    if duns is None:
        return "nobody that the hub knows of"
    return f"{names[duns]} ({duns})" if duns in names else duns


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
