"""``smt-ws load``: what a TDSP sends, into the store, with an activity report a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from smt_ws.hub import Hub
from smt_ws.usage.activity import Activity, write_report
from smt_ws.usage.load import load_file
from smt_ws.usage.rules import Severity
from smt_ws.usage.sealed import Opening

__all__ = ["load"]

#: Findings shown on the terminal for each file; the report has them all.
_SHOWN = 5
_COUNTS = ("loaded", "replaced", "unchanged", "rejected", "flagged")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option("--tdsp", "tdsp_duns", help="DUNS number of the TDSP that sent the files; default: as each file says.")
@click.option(
    "--reports",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the activity reports (CSV, one a file); default: no report is written.",
)
@click.option(
    "--take-unprovisioned",
    is_flag=True,
    help="Load and flag days of meters that are installed but not yet provisioned, instead of rejecting them.",
)
@click.pass_obj
def load(
    hub: Hub, files: tuple[Path, ...], tdsp_duns: str | None, reports: Path | None, take_unprovisioned: bool
) -> None:
    """Load interval files (LSE) and market CSVs, plain, zipped, or encrypted to the hub, in the order given.

    One file is loaded whole or not at all; the same file again changes nothing. Exit code 1 if a file was refused.

    \b
    Examples:
      smt-ws load premises.csv meters.csv rep_of_record.csv
      smt-ws load inbox/*.lse --reports reports
      smt-ws load usage.zip --tdsp 1039940674000
    """
    adjusted = {"METER_NOT_PROVISIONED": Severity.FLAG} if take_unprovisioned else None
    activities: list[Activity] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[records]:,} records"))
    # standard error, so that what is piped on is the summary alone
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(files), records=0)
        before = 0
        for path in files:
            bar.update(task, description=path.name)

            def show(records: int, base: int = before) -> None:
                bar.update(task, records=base + records)

            activity = load_file(
                hub.store,
                path,
                clock=hub.clock,
                actor="operator:load",
                tdsp_duns=tdsp_duns,
                validation=hub.settings.validation,
                adjusted=adjusted,
                progress=show,
                opening=Opening.of(hub.settings),
                allow_test_esiids=hub.settings.allow_test_esiids,
            )
            before += activity.records
            bar.update(task, advance=1, records=before)
            activities.append(activity)
            if reports is not None:
                write_report(activity, reports)
    for activity in activities:
        _tell(activity)
    if len(activities) > 1:
        click.echo(_sum(activities))
    if any(activity.outcome == "refused" for activity in activities):
        raise click.exceptions.Exit(1)


def _tell(activity: Activity) -> None:
    """What became of a file, and what was found in it."""
    counts = ", ".join(f"{getattr(activity.tally, name):,} {name}" for name in _COUNTS)
    under = "" if activity.load_number is None else f" as load {activity.load_number}"
    click.echo(f"{activity.file_name}: {activity.outcome}{under} in {activity.seconds:.2f} s")
    if activity.outcome == "refused":
        click.echo(f"  {activity.code}: {activity.reason}")
        return
    click.echo(f"  {counts}")
    for rule, count in sorted(activity.by_rule().items()):
        click.echo(f"  {rule}: {count:,}")
    for finding in activity.findings[:_SHOWN]:
        about = " ".join(str(part) for part in (finding.esiid, finding.day) if part)
        click.echo(f"  line {finding.line}: {finding.severity.value}: {finding.rule}: {about}: {finding.reason}")
    if len(activity.findings) > _SHOWN:
        click.echo(f"  … and {len(activity.findings) - _SHOWN:,} more; --reports FOLDER writes them all")


def _sum(activities: Sequence[Activity]) -> str:
    counts = (f"{sum(getattr(activity.tally, name) for activity in activities):,} {name}" for name in _COUNTS)
    refused = sum(activity.outcome == "refused" for activity in activities)
    return f"{len(activities)} files, {refused} refused: {', '.join(counts)}"
