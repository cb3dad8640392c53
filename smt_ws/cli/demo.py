"""``smt-ws sandbox`` and ``smt-ws demo``: a whole market on one machine."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

__all__ = ["demo", "sandbox"]

_FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("sandbox"),
    show_default=True,
    help="Where everything is made.",
)
_PREMISES = click.option(
    "--premises", type=click.IntRange(10, 100_000), default=200, show_default=True, help="How many homes."
)
_SEED = click.option("--seed", default=7, show_default=True, help="The same seed gives the same usage.")
_DATABASE = click.option("--database", help="SQLAlchemy URL; default: SQLite in the folder.")


@click.command()
@_FOLDER
@_PREMISES
@_SEED
@_DATABASE
@click.option("--keep", is_flag=True, help="Leave the hub running and print how to call it.")
def demo(folder: Path, premises: int, seed: int, database: str | None, keep: bool) -> None:
    """Show the whole journey on this machine, over the real wire.

    Makes a sandbox (sample certificates, two REPs, a third party, two TDSPs, homes with 60 days of usage), starts the
    hub, places a signed order over mutual TLS with zeep, fetches the files over FTPS, decrypts them and shows them.

    \b
    Examples:
      smt-ws demo
      smt-ws demo --keep
      smt-ws demo --premises 2000 --database postgresql://127.0.0.1/test
    """
    from smt_ws.sandbox.demo import Demo

    Demo(folder, Console(), premises=premises, seed=seed, database=database, keep=keep).run()


@click.command()
@_FOLDER
@_PREMISES
@_SEED
@_DATABASE
@click.option("--replace", is_flag=True, help="Replace the sandbox that is in the folder.")
@click.option("--empty", is_flag=True, help="Certificates and companies only: no premises, no usage.")
def sandbox(folder: Path, premises: int, seed: int, database: str | None, replace: bool, empty: bool) -> None:
    """Make a sandbox: certificates, settings, database, companies, and a market's usage.

    \b
    Examples:
      smt-ws sandbox --folder try
      smt-ws --settings try/smt-ws.toml serve
    """
    from smt_ws.sandbox.build import load_market, make_sandbox

    made = make_sandbox(folder, database=database, replace=replace)
    if not empty:
        with click.progressbar(length=1, label="loading the market") as bar:

            def loaded(_activity: object, _done: int, of: int) -> None:
                bar.length = of
                bar.update(1)

            load_market(made, premises=premises, seed=seed, loaded=loaded)
    click.echo(f"{made.folder}: run it with `smt-ws --settings {made.settings_file} serve`")
