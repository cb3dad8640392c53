"""``smt-ws audit``: the sealed audit log."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import IO

import click

from smt_ws.hub import Hub
from smt_ws.store import audit_chain
from smt_ws.store.audit import lines

__all__ = ["audit"]

_HEAD = re.compile(r"(?P<position>[0-9]{1,18}):(?P<sha256>[0-9a-f]{64})")


@click.group()
def audit() -> None:
    """The audit log: who did or saw what, each line sealed with all before it.

    Keep heads where the hub cannot write: only they tell of a log that somebody with the database in his hands has
    sealed anew. The scheduler logs each one.

    \b
    Examples:
      smt-ws audit list --object order:100017
      smt-ws audit verify
      smt-ws audit head >> /mnt/elsewhere/heads
      smt-ws audit verify --heads /mnt/elsewhere/heads
    """


@audit.command("list")
@click.option("--event", help="Only events that begin so, such as order:place or company:.")
@click.option("--actor", help="Only what this one did, such as company:3, account:7 or operator:jane.")
@click.option("--object", "about", help="Only what is about this, such as order:100017 or duns:111111111.")
@click.option("--last", default=50, show_default=True, type=click.IntRange(1, 1_000_000), help="How many lines.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line, with every column.")
@click.pass_obj
def list_(hub: Hub, event: str | None, actor: str | None, about: str | None, last: int, as_json: bool) -> None:
    """Print the last lines of the log, the newest at the end; sealed or not.

    \b
    Examples:
      smt-ws audit list --last 20
      smt-ws audit list --event file:fetch --actor company:3 --json
    """
    with hub.store.read() as connection:
        found = lines(connection, last=last, event=event, actor=actor, object=about)
    for line in found:
        if as_json:
            click.echo(json.dumps(asdict(line) | {"at": line.at.isoformat()}))
        else:
            details = " ".join(f"{name}={value}" for name, value in line.details.items())
            what = f"{line.event}  {line.actor}  {line.object or '-'}  {details}"
            click.echo(f"{line.id}  {line.at:%Y-%m-%d %H:%M:%S}  {what}".rstrip())


@audit.command()
@click.pass_obj
def seal(hub: Hub) -> None:
    """Seal every line that is not sealed yet; the scheduler does it each minute."""
    click.echo(f"{audit_chain.seal(hub.store, thorough=True)} lines sealed")


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="Print position, hash and time as JSON.")
@click.pass_obj
def head(hub: Hub, as_json: bool) -> None:
    """Print the end of the chain, as position:hash: it stands for every line before it."""
    with hub.store.read() as connection:
        found = audit_chain.head(connection)
    if as_json:
        sealed_at = None if found.sealed_at is None else found.sealed_at.isoformat()
        click.echo(json.dumps({"position": found.position, "sha256": found.sha256, "sealed_at": sealed_at}))
    else:
        click.echo(str(found))


@audit.command()
@click.option(
    "--head", "kept", multiple=True, metavar="POSITION:HASH", help="A head that was kept elsewhere; as often as needed."
)
@click.option("--heads", "file", type=click.File("r"), help="A file of kept heads, one a line.")
@click.pass_obj
def verify(hub: Hub, kept: tuple[str, ...], file: IO[str] | None) -> None:
    """Read the whole log and say the first line that was changed, removed or slipped in; ends with 1 if there is one.

    Other commands and the running hub are not held up.
    """
    heads: dict[int, str] = {}
    for text in [*kept, *(line.strip() for line in file or ())]:
        if not text:
            continue
        found = _HEAD.fullmatch(text)
        if found is None:
            raise click.UsageError(f"{text!r} is no head such as `smt-ws audit head` prints")
        if heads.setdefault(int(found["position"]), found["sha256"]) != found["sha256"]:
            raise click.ClickException(f"the kept heads disagree about position {found['position']}")
    heads.pop(0, None)
    # a sandbox's clock is moved about: there an older time is no sign of anything
    verdict = audit_chain.verify(hub.store, heads=heads, times=hub.settings.environment == "production")
    if verdict.flaw is None:
        click.echo(f"{verdict.sealed} lines are as they were sealed; {verdict.unsealed} wait to be sealed")
        click.echo(str(verdict.head))
        return
    line = "" if verdict.flaw.audit_id is None else f"line {verdict.flaw.audit_id} "
    click.echo(f"{verdict.sealed} lines are as they were sealed")
    raise click.ClickException(f"position {verdict.flaw.position}: {line}{verdict.flaw.what}")
