"""The daily reports on what has come: missing usage and completeness, into the folders of TDSPs and regulators (U7)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from adapters.publishing import publish, temporary_name
from smt_ws.hub import Hub
from smt_ws.parties.tables import company, company_duns
from smt_ws.usage.completeness import CompleteDay, survey

__all__ = ["COMPLETENESS_COLUMNS", "MISSING_COLUMNS", "report_completeness"]

MISSING_COLUMNS: Final = ("ESIID", "FROM_DATE", "TO_DATE", "DAYS", "CHANNEL")
COMPLETENESS_COLUMNS: Final = (
    "TDSP_DUNS",
    "OPERATING_DAY",
    "PROVISIONED",
    "WITHOUT_DATA",
    "COMPLETE_PERCENT",
    "INTERVALS",
    "ACTUAL_PERCENT",
    "ESTIMATED_PERCENT",
    "MISSING_PERCENT",
    "WITHOUT_CHANNEL",
)


def report_completeness(hub: Hub, for_date: date) -> str:
    """Write the reports of *for_date*: the days before it, as many as the setting says, as far as they are due.

    Every TDSP gets ``MissingUsage-DATE.csv`` (columns `MISSING_COLUMNS`: its provisioned ESI IDs and the days on which
    the store has no data of them; with a CHANNEL, the days on which that channel alone is missing) and
    ``Completeness-DATE.csv`` (columns `COMPLETENESS_COLUMNS`) into ``/reports/``; every regulator the completeness of
    all TDSPs, which names no ESI ID, into ``/daily/``. Written again, a report replaces the earlier one of its date,
    whole.
    """
    limits, site = hub.settings.limits, hub.settings.ftps.root
    last = for_date - timedelta(days=limits.due_days)
    first = for_date - timedelta(days=limits.missing_days_back)
    if last < first:
        return "no day of the report is due yet"
    tdsps, regulators = _receivers(hub, "TDSP"), _receivers(hub, "REG")
    # one survey for all: it goes through the whole market
    seen = survey(hub.store, first_day=first, last_day=last)
    spells = 0
    with ExitStack() as whole:
        missing = {
            duns: whole.enter_context(
                _report(site / duns / "reports" / f"MissingUsage-{for_date}.csv", MISSING_COLUMNS)
            )
            for duns in tdsps
        }
        for spell in seen:
            spells += 1
            if spell.tdsp_duns in missing:
                missing[spell.tdsp_duns].writerow(
                    (spell.esiid, spell.first_day, spell.last_day, spell.days, spell.channel or "")
                )
    days = seen.ordered()
    for duns in tdsps:
        own = [one for one in days if one.tdsp_duns == duns]
        _write_completeness(site / duns / "reports" / f"Completeness-{for_date}.csv", own)
    for duns in regulators:
        _write_completeness(site / duns / "daily" / f"Completeness-{for_date}.csv", days)
    return f"{first} to {last}: {spells} runs of missing days; {len(tdsps)} TDSPs and {len(regulators)} regulators told"


def _receivers(hub: Hub, kind: str) -> Sequence[str]:
    with hub.store.read() as connection:
        return connection.scalars(
            select(company_duns.c.duns)
            .join(company, company.c.id == company_duns.c.company_id)
            .where(company.c.kind == kind, company.c.suspended_at.is_(None))
            .order_by(company_duns.c.duns)
        ).all()


def _write_completeness(final: Path, days: Iterable[CompleteDay]) -> None:
    with _report(final, COMPLETENESS_COLUMNS) as rows:
        for one in days:
            shares = (one.actual, one.estimated, one.missing)
            rows.writerow(
                (
                    one.tdsp_duns,
                    one.day,
                    one.provisioned,
                    one.without_data,
                    f"{100 * one.complete:.3f}",
                    one.intervals,
                    *(f"{100 * one.share(intervals):.3f}" for intervals in shares),
                    one.without_channel,
                )
            )


@contextmanager
def _report(final: Path, columns: Sequence[str]) -> Iterator[Any]:
    """A CSV file that appears whole when the body is done, and not at all when it fails."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(final)
    try:
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            yield writer
        publish(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)
