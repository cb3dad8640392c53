"""``smt-ws check-lse``: what the hub would say of a TDSP's interval files, before they are sent and without a hub."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from smt_ws.usage.rehearsal import Rehearsal

__all__ = ["check_lse"]

#: Findings shown for each file unless all are asked for.
_SHOWN = 20
_DAYS = {92: "spring", 96: "ordinary", 100: "autumn"}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option("--all", "show_all", is_flag=True, help=f"Show every finding, not the first {_SHOWN} of each file.")
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Check as on this operating day, e.g. 2026-11-20; default: today in Texas.",
)
@click.option(
    "--test-esiids",
    is_flag=True,
    help="Take ESI IDs of 1 to 64 letters and digits, as a sandbox may (setting allow_test_esiids).",
)
def check_lse(files: tuple[Path, ...], show_all: bool, today: datetime | None, test_esiids: bool) -> None:
    """Check interval files (LSE), plain or zipped, as the hub will when they are sent. No hub is needed.

    Every record that would be rejected or flagged is named with its line. What only the hub knows is not checked: ESI
    IDs, their meters, and what was sent before. Exit code 1 if a record or a file would be rejected.

    \b
    Examples:
      smt-ws check-lse 1039940674000IntervalData20261119043000001.lse
      smt-ws check-lse outbox/*.zip --all
    """
    from smt_ws.clock import SystemClock, central_today
    from smt_ws.usage.errors import FileRefusedError
    from smt_ws.usage.rehearsal import rehearse

    day = today.date() if today else central_today(SystemClock())
    bad = False
    for path in files:
        try:
            found = rehearse(path, today=day, allow_test_esiids=test_esiids)
        except FileRefusedError as error:
            click.echo(f"{path.name}: refused\n  {error.code}: {error}")
            bad = True
        else:
            _tell(found, show_all=show_all)
            bad |= found.rejected > 0
    if bad:
        raise click.exceptions.Exit(1)


def _tell(found: Rehearsal, *, show_all: bool) -> None:
    click.echo(f"{found.file_name}: {'rejects' if found.rejected else 'good'}")
    click.echo(f"  SHA-256    {found.sha256}")
    good = found.records - found.rejected
    click.echo(f"  records    {found.records:,}: {good:,} good, {found.rejected:,} rejected; {found.flagged:,} flagged")
    if good:
        click.echo(f"  ESI IDs    {len(found.esiids):,}, {found.first_day} to {found.last_day}")
        click.echo(f"  channels   {found.channels[4]:,} load (4), {found.channels[1]:,} generation (1)")
        days = ", ".join(f"{found.lengths[length]:,} of {length} ({name})" for length, name in _DAYS.items())
        click.echo(f"  intervals  {days}")
        share = ", ".join(f"{found.statuses[letter]:,} {letter}" for letter in "AEM")
        click.echo(f"  statuses   {share}")
    for rule, count in sorted(Counter(finding.rule for finding in found.findings).items()):
        click.echo(f"  {rule}: {count:,}")
    for finding in islice(found.findings, None if show_all else _SHOWN):
        about = " ".join(str(part) for part in (finding.esiid, finding.day) if part)
        click.echo(f"  line {finding.line}: {finding.severity.value}: {finding.rule}: {about}: {finding.reason}")
    if not show_all and len(found.findings) > _SHOWN:
        click.echo(f"  … and {len(found.findings) - _SHOWN:,} more; --all shows them")
