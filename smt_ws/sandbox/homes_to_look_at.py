"""`HOMES.md` of a sandbox: which homes show what, so that a report over them can be ordered and compared."""

from __future__ import annotations

from pathlib import Path

from adapters.central_day import intervals_in
from smt_ws.sandbox.market import Market

__all__ = ["write_guide"]


def write_guide(path: Path, market: Market, spring: Market) -> None:
    """Write what is special in the two markets, with ESI IDs and days, as Markdown."""
    rows: list[tuple[str, str, str]] = []
    for one in (market, spring):
        special = one.special
        rows += [
            (f"a day of {intervals_in(day)} intervals", f"any home of {one.tdsp_duns}", f"{day:%m/%d/%Y}")
            for day in special.daylight_saving
        ]
    special = market.special
    rows += [
        ("solar panels: consumption and surplus generation", special.solar, "every day"),
        ("a change of REP", special.switched[0], f"from {special.switched[1]:%m/%d/%Y}"),
        ("a meter exchange", special.exchanged[0], f"from {special.exchanged[1]:%m/%d/%Y}"),
        ("days without data", special.gap[0], f"{special.gap[1]:%m/%d/%Y} to {special.gap[2]:%m/%d/%Y}"),
        ("a new home: data since its meter was provisioned", special.new_home[0], f"{special.new_home[2]:%m/%d/%Y}"),
        ("a day that was revised (version A: both)", special.revised[0], f"{special.revised[1]:%m/%d/%Y}"),
        ("actual values replaced by estimates", special.estimated_later[0], f"{special.estimated_later[1]:%m/%d/%Y}"),
    ]
    lines = [
        "# What to look at in this sandbox",
        "",
        "| TDSP | homes | intervals | twelve monthly bills |",
        "|---|---|---|---|",
        f"| {market.tdsp_duns} | {len(market.esiids)} | {_range(market)} | `END_DATE` is the last day |",
        f"| {spring.tdsp_duns} | {len(spring.esiids)} | {_range(spring)} | `END_DATE` is the next one's start |",
        "",
        "| what | ESI ID | days |",
        "|---|---|---|",
        *(f"| {what} | {esiid} | {days} |" for what, esiid, days in rows),
        "",
        f"Homes of {spring.tdsp_duns}: {', '.join(spring.esiids)}.",
        "",
    ]
    path.write_text("\n".join(lines))


def _range(market: Market) -> str:
    return f"{market.first_day:%m/%d/%Y} to {market.last_day:%m/%d/%Y}"
