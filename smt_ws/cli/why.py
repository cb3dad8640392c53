"""``smt-ws why``: may a company see a day of an ESI ID, and why; and if there is no data, why."""

from __future__ import annotations

from datetime import date

import click

from smt_ws.cli.trace import OperatingDay
from smt_ws.clock import central_today
from smt_ws.hub import Hub
from smt_ws.parties.access import authorise
from smt_ws.parties.companies import find_company
from smt_ws.parties.rules import KINDS, REASON_CODES, REASONS
from smt_ws.usage.loads import snapshot
from smt_ws.usage.missing import explain_missing
from smt_ws.usage.read import CHANNELS, read_days

__all__ = ["why"]


@click.command()
@click.argument("duns")
@click.argument("esiid")
@click.argument("day", type=OperatingDay())
@click.pass_obj
def why(hub: Hub, duns: str, esiid: str, day: date) -> None:
    """Say whether a company may see an ESI ID's operating day, and if there is no data, why.

    Exit code 1 if it would get nothing.

    \b
    Example:
      smt-ws why 111111111 10443720007574303 2026-11-17
    """
    company = find_company(hub.store, duns)
    limits = hub.settings.limits
    with hub.store.read() as connection:
        access = authorise(
            connection,
            company_id=company.company_id,
            kind=company.kind,
            duns_numbers=list(company.duns),
            esiids=[esiid],
            first_day=day,
            last_day=day,
            now=hub.clock.now(),
            allow_test_esiids=hub.settings.allow_test_esiids,
        )
        click.echo(f"{company.legal_name} ({duns}), {KINDS[company.kind].meaning}; {esiid}, {day}")
        if company.suspended_at is not None:
            click.echo(f"suspended since {company.suspended_at:%Y-%m-%d %H:%M} UTC: every request is refused")
        if access.days_refused:
            _refuse("may not see it", int(access.refusals["code"][0]))
        click.echo("may see it")
        as_of = snapshot(connection)
        found = read_days(connection, slices=access.slices, channels=CHANNELS["A"], as_of=as_of)
        for one in found:
            channel = "consumption" if one.channel == 4 else "generation"
            click.echo(f"data: {channel}, {len(one.values) // 4} intervals, loaded {one.revised:%Y-%m-%d %H:%M:%S} UTC")
        if len(found.missing):
            missing = explain_missing(
                connection,
                found.missing,
                channels=CHANNELS["A"],
                as_of=as_of,
                today=central_today(hub.clock),
                due_days=limits.due_days,
                late_days=limits.late_days,
            )
            _refuse("but there is no data", int(missing["code"][0]))


def _refuse(verdict: str, code: int) -> None:
    reason = REASON_CODES[code]
    click.echo(f"{verdict}: {reason.value}\n  {REASONS[reason]}")
    raise click.exceptions.Exit(1)
