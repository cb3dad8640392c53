"""``smt-ws db``: the schema of the store."""

from __future__ import annotations

import click

from smt_ws.hub import Hub
from smt_ws.schema import metadata
from smt_ws.store import migrate
from smt_ws.store.revision import require_current, version

__all__ = ["db"]


class _Revision(click.ParamType[str]):
    name = "revision"

    def __init__(self, also: str) -> None:
        self.also = also

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        known = [self.also, *migrate.revisions()]
        if value not in known:
            self.fail(f"{str(value)[:40]!r} is none of this release's revisions: {', '.join(known)}", param, ctx)
        return str(value)


@click.group()
def db() -> None:
    """Create, upgrade and check the database.

    \b
    Examples:
      smt-ws db upgrade
      SMT_WS_DATABASE=postgresql://hub@db.example/hub smt-ws db check
    """


@db.command()
@click.option(
    "--to", "revision", type=_Revision("head"), default="head", show_default=True, help="Stop at this revision."
)
@click.pass_obj
def upgrade(hub: Hub, revision: str) -> None:
    """Bring the database to this release's schema. Running it again changes nothing."""
    before = version(hub.store)
    migrate.upgrade(hub.store, revision)
    after = version(hub.store)
    click.echo(f"{_place(hub)}: {before or 'empty'} → {after}" if before != after else f"{_place(hub)}: at {after}")


@db.command()
@click.option(
    "--to",
    "revision",
    type=_Revision("base"),
    required=True,
    help="The revision to go back to, or base for an empty database.",
)
@click.confirmation_option(prompt="Tables that the older schema does not have are dropped with their rows. Go on?")
@click.pass_obj
def downgrade(hub: Hub, revision: str) -> None:
    """Take the database back to an older schema."""
    migrate.downgrade(hub.store, revision)
    click.echo(f"{_place(hub)}: at {version(hub.store) or 'empty'}")


@db.command()
@click.pass_obj
def check(hub: Hub) -> None:
    """Tell whether the database has exactly this release's schema; exit code 1 if not."""
    require_current(hub.store)
    differences = migrate.check(hub.store, metadata)
    for line in differences:
        click.echo(line, err=True)
    if differences:
        raise click.exceptions.Exit(1)
    click.echo(f"{_place(hub)}: schema {migrate.head()}, nothing differs")


def _place(hub: Hub) -> str:
    return hub.store.url.render_as_string(hide_password=True)
