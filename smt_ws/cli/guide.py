"""``smt-ws guide``: the tables of the interface guide, printed from the code."""

from __future__ import annotations

import sys
from pathlib import Path

import click

__all__ = ["guide"]


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--page",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Put the tables into this Markdown page, at its marks.",
)
@click.option("--files", is_flag=True, help="Tell where the walk-throughs, soapUI project and sample certificates are.")
@click.option("--check", is_flag=True, help="With --page: change nothing, end with 1 if the page is out of date.")
def guide(names: tuple[str, ...], page: Path | None, files: bool, check: bool) -> None:
    """Print tables of the interface guide (all, or those named), or put them into a page.

    \b
    Examples:
      smt-ws guide codes-orders
      smt-ws guide --files
      smt-ws guide --page docs/guide/interface.md
    """
    if files:
        for place in _starter_kit():
            click.echo(place)
        return
    from smt_ws.guide.markdown import filled
    from smt_ws.guide.tables import TABLES

    if page is not None:
        text = page.read_text(encoding="utf-8")
        now = filled(text, TABLES)
        if check and now != text:
            raise click.ClickException(f"{page} is out of date: run smt-ws guide --page {page}")
        if not check:
            page.write_text(now, encoding="utf-8")
        return
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        raise click.UsageError(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    for name in names or TABLES:
        click.echo(f"## {name}\n\n{TABLES[name]()}\n")


def _starter_kit() -> list[Path]:
    """The folders for callers' developers: beside the packages in a checkout, else where the wheel has put them."""
    for root in (Path(__file__).parents[2], Path(sys.prefix) / "share" / "smt-ws"):
        places = [root / name for name in ("docs/guide", "soapui", "certs-sample")]
        if all(place.is_dir() for place in places):
            return places
    raise click.ClickException("this installation has no starter kit: pip install the wheel, or use a checkout")
