"""``smt-ws``: the group that every command hangs on, and how the hub's refusals are said on a terminal."""

from __future__ import annotations

import importlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from smt_ws import __version__
from smt_ws.errors import HubError

__all__ = ["main"]

#: command → (module, attribute, first line of its help); modules are imported only when their command runs.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "serve": ("smt_ws.cli.serve", "serve", "Run the whole hub on this machine."),
    "soap": ("smt_ws.cli.serve", "soap", "Run only the SOAP endpoint."),
    "ftps": ("smt_ws.cli.serve", "ftps", "Run only the FTPS site."),
    "portal": ("smt_ws.cli.serve", "portal", "Run only the portal: pages for customers."),
    "work": ("smt_ws.cli.serve", "work", "Run only a worker: builds files, sends mail."),
    "intake": ("smt_ws.cli.serve", "intake", "Run only the intake: loads what TDSPs leave in their inboxes."),
    "schedule": ("smt_ws.cli.serve", "schedule", "Run only the scheduler: what happens by the clock."),
    "health": ("smt_ws.cli.serve", "health", "Run only the process that tells how the hub is; --once prints it."),
    "make-secrets": (
        "smt_ws.cli.make_secrets",
        "make_secrets",
        "Make the secrets that the settings name and that are not there yet.",
    ),
    "db": ("smt_ws.cli.db", "db", "Create, upgrade and check the database."),
    "company": ("smt_ws.cli.company", "company", "Companies, their DUNS numbers, certificates and keys."),
    "check-certificate": (
        "smt_ws.cli.check_certificate",
        "check_certificate",
        "Run every check that a connection would run on a certificate.",
    ),
    "check-lse": ("smt_ws.cli.check_lse", "check_lse", "Check interval files (LSE) as the hub will; needs no hub."),
    "load": ("smt_ws.cli.load", "load", "Load interval files (LSE) and market CSVs."),
    "trace": ("smt_ws.cli.trace", "trace", "Where the figures of an ESI ID's day come from, and which files had them."),
    "why": ("smt_ws.cli.why", "why", "May a company see an ESI ID's day, and if there is no data, why."),
    "completeness": (
        "smt_ws.cli.completeness",
        "completeness",
        "How complete each TDSP's days are, actual and estimated.",
    ),
    "missing-usage": (
        "smt_ws.cli.completeness",
        "missing_usage",
        "Provisioned ESI IDs with days of which there is no data.",
    ),
    "stats": ("smt_ws.cli.stats", "stats", "How many there are of everything, and a week's and a month's activity."),
    "order": ("smt_ws.cli.order", "order", "Orders and their parts."),
    "agreement": ("smt_ws.cli.agreement", "agreement_command", "Agreements with customers; those that they disown."),
    "han": ("smt_ws.cli.han", "han", "Home devices: how long TDSPs take, keys of installation codes, control."),
    "outbox": ("smt_ws.cli.outbox", "outbox", "Mails and calls that wait, and dead letters."),
    "audit": ("smt_ws.cli.audit", "audit", "The audit log: seal it, verify it, print its head."),
    "check-message": ("smt_ws.cli.check", "check_message", "Check a signed SOAP message as the hub would."),
    "check-contract": ("smt_ws.cli.check", "check_contract", "Check a SOAP message against the published contract."),
    "guide": ("smt_ws.cli.guide", "guide", "Print the interface guide's tables from the code."),
    "simulate-tdsp": ("smt_ws.cli.simulate_tdsp", "simulate_tdsp", "Run a TDSP with meters and homes."),
    "sandbox": ("smt_ws.cli.demo", "sandbox", "Make a sandbox: certificates, companies, premises, usage."),
    "simulate-requester": (
        "smt_ws.cli.simulate_requester",
        "simulate_requester",
        "A company of a sandbox that takes the hub's callbacks.",
    ),
    "demo": ("smt_ws.cli.demo", "demo", "The whole journey: sandbox, signed order, decrypted file."),
}


#: Words of a command line that needs no settings and no database.
_STORELESS = {"-h", "--help", "--no-database", "new-key"}
_ASKS_NO_STORE = "smt_ws.asks_no_store"


class _Commands(click.Group):
    """A group that knows its commands' names and imports each only to run it, so that --help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _help = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_m, _a, text) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for word in args:
            try:
                word.encode()
            except UnicodeEncodeError:
                # what a byte that is not UTF-8 becomes can be neither stored nor printed
                raise click.UsageError(f"{word!a} is not UTF-8; is the terminal set to another encoding?") from None
        ctx.meta[_ASKS_NO_STORE] = bool(_STORELESS & set(args))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        # databases, mails and archives hold what homes used: what is made by hand is the hub's alone as well
        os.umask(os.umask(0o077) | 0o077)
        try:
            return super().invoke(ctx)
        except HubError as error:
            raise click.ClickException(f"{error.code}: {error}") from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error
        except Exception as error:
            if (sentence := _of_the_database(error)) is None:
                raise
            raise click.ClickException(sentence) from error


def _of_the_database(error: Exception) -> str | None:
    """One sentence for a database that cannot be reached or used; None for any other failure."""
    if type(error).__module__ != "sqlalchemy.exc":  # asked so, since most commands need no database
        return None
    from sqlalchemy.exc import OperationalError, ProgrammingError

    if not isinstance(error, OperationalError | ProgrammingError):
        return None
    said = " ".join(str(error.orig).split("\nLINE ")[0].split())
    return f"DATABASE: {said[:400]}. See `smt-ws db check`."


class _Moment(click.ParamType[datetime]):
    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no moment such as 2026-11-20T09:00:00-06:00", param, ctx)
        return moment if moment.tzinfo else moment.astimezone()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="smt-ws")
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SMT_WS_FILE",
    help="Settings file; default smt-ws.toml in the current folder.",
)
@click.option(
    "--at",
    type=_Moment(),
    help="In a sandbox: let the clock start at this moment, e.g. 2026-11-20T09:00:00-06:00.",
)
@click.pass_context
def main(ctx: click.Context, settings_file: Path | None, at: datetime | None) -> None:
    """An open smart-meter data hub.

    \b
    Examples:
      smt-ws demo                          see everything work, on this machine
      smt-ws db upgrade                    create or upgrade the database
      smt-ws company add "Pecan Energy" --kind REP --duns 111111111 --email it@pecan.example
      smt-ws load inbox/*.lse              load interval files
      smt-ws serve                         run the hub
    """
    if settings_file is not None:
        # Children and late readers see the same file.
        os.environ["SMT_WS_FILE"] = str(settings_file.absolute())
    if at is not None:
        os.environ["SMT_WS_CLOCK_SHIFT_SECONDS"] = str((at - datetime.now(UTC)).total_seconds())
    if ctx.invoked_subcommand in _WITHOUT_HUB or {"-h", "--help"} & set(ctx.args):
        return
    from smt_ws.hub import Hub
    from smt_ws.settings import DEFAULT_FILE

    named = "SMT_WS_FILE" in os.environ or "SMT_WS_DATABASE" in os.environ or Path(DEFAULT_FILE).exists()
    if not named and not ctx.meta[_ASKS_NO_STORE]:
        # a database made by default in whatever folder this is would pass for a hub that has lost its data
        raise click.ClickException(
            f"SETTINGS: there is no {DEFAULT_FILE} in this folder. Name the settings with --settings FILE or "
            "SMT_WS_FILE, or the database alone with SMT_WS_DATABASE; `smt-ws sandbox` makes a hub to try."
        )
    try:
        ctx.obj = Hub.open()
    except HubError as error:
        raise click.ClickException(f"{error.code}: {error}") from error
    ctx.call_on_close(ctx.obj.store.close)


_WITHOUT_HUB = {
    "simulate-tdsp",
    "guide",
    "demo",
    "sandbox",
    "check-contract",
    "check-lse",
    "check-message",
    "simulate-requester",
}
