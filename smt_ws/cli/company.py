"""``smt-ws company``: companies, their DUNS numbers, certificates and keys."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from adapters import openpgp
from adapters.file_text import text_of
from smt_ws.cli.acting import operator
from smt_ws.cli.company_address import allow_address
from smt_ws.cli.company_bills import bill_end_day
from smt_ws.cli.company_callback import callback
from smt_ws.cli.company_profile import profile
from smt_ws.cli.company_tdsp import tdsp_endpoint
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.parties import companies, ftps_accounts, rules
from smt_ws.parties.certificates import trusted_by
from smt_ws.parties.companies import CompanyView
from smt_ws.parties.endings import endings_of_companies, endings_of_keys

__all__ = ["company"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def company() -> None:
    """Companies, their DUNS numbers, certificates and keys. A company is named by any of its DUNS numbers.

    \b
    Examples:
      smt-ws company add "Pecan Energy" --kind REP --duns 111111111 --email it@pecan.example
      smt-ws company certificate add 111111111 pecan-tls.crt --tls
      smt-ws company certificate add 111111111 pecan-signing.crt --signing
      smt-ws company key 111111111 pecan-openpgp.asc
      smt-ws company password 111111111
      smt-ws company show 111111111
    """


@company.command()
@click.argument("legal_name")
@click.option("--kind", type=click.Choice(list(rules.KINDS)), required=True, help="CSP: third party; REG: regulator.")
@click.option("--duns", multiple=True, required=True, help="9 or 13 digits; as often as needed.")
@click.option("--email", required=True, help="Where notices go.")
@click.option("--csv", "profile", type=click.Choice(rules.CSV_PROFILES), default="standard", show_default=True,
              help="How it has its interval CSV; smt: exactly as Smart Meter Texas.")  # fmt: skip
@click.pass_obj
def add(hub: Hub, legal_name: str, kind: str, duns: tuple[str, ...], email: str, profile: str) -> None:
    """Register a company.

    \b
    Example:
      smt-ws company add "Gulf Insights" --kind CSP --duns 222222222 --email it@gulf.example --csv smt
    """
    companies.add_company(
        hub.store, legal_name=legal_name, kind=kind, email=email, duns=duns, csv_profile=profile, actor=operator(),
        clock=hub.clock,
    )  # fmt: skip
    click.echo(f"{legal_name} is registered as {kind} with DUNS {', '.join(duns)}.")


@company.command("list")
@click.pass_obj
def list_companies(hub: Hub) -> None:
    """List all companies."""
    table = Table("Name", "Kind", "DUNS", "Certificates", "OpenPGP key", "State")
    for one in companies.companies(hub.store):
        good = sum(c.withdrawn_at is None and c.not_after > real_now() for c in one.certificates)
        key = "yes" if one.openpgp_certificate else "no"
        state = "suspended" if one.suspended_at else "active"
        table.add_row(escape(one.legal_name), one.kind, "\n".join(one.duns), str(good), key, state)
    Console().print(table)


@company.command()
@click.pass_obj
def ending(hub: Hub) -> None:
    """List certificates and OpenPGP keys that end within 60 days, the next one first; their holders have a letter."""
    now = real_now()
    with hub.store.read() as connection:
        found = [*endings_of_companies(connection, now=now), *endings_of_keys(connection, now=now)]
    if not found:
        click.echo("None ends within 60 days.")
        return
    table = Table("Ends", Column("Days", justify="right"), "Company", "For", Column("Fingerprint", overflow="fold"))
    for one in sorted(found, key=lambda one: one.ends_at):
        what = f"{one.uses}{', has a successor' if one.successor_until else ''}"
        table.add_row(f"{one.ends_at:%Y-%m-%d}", str(one.left.days), escape(one.company), what, one.fingerprint)
    Console().print(table)


@company.command()
@click.argument("duns")
@click.pass_obj
def show(hub: Hub, duns: str) -> None:
    """Show a company with its certificates and keys.

    \b
    Example:
      smt-ws company show 111111111
    """
    one = companies.find_company(hub.store, duns)
    facts = _particulars(one)
    for number, certificate in enumerate(one.certificates, 1):
        uses = [use for use, on in (("TLS", certificate.for_tls), ("signing", certificate.for_signing)) if on]
        facts += [
            (f"certificate {number}", f"{' and '.join(uses)}, {_state(certificate)}"),
            ("  subject", certificate.subject),
            ("  issuer", certificate.issuer),
            ("  SHA-256", certificate.sha256),
            ("  valid", f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"),
        ]
    for name, fact in facts:
        # Plain lines, however long: fingerprints are here to be compared and copied.
        click.echo(f"{name:<16}{fact}")


def _particulars(one: CompanyView) -> list[tuple[str, str]]:
    if one.openpgp_certificate is None:
        key = "none: no report can be delivered"
    else:
        info = openpgp.describe_certificate(one.openpgp_certificate, now=real_now())
        until = f", until {info.expires:%Y-%m-%d}" if info.expires else ""
        key = f"{info.fingerprint}{until}{'' if info.can_encrypt else ', cannot be used'}"
    return [
        ("company", one.legal_name),
        ("kind", f"{one.kind} ({rules.KINDS[one.kind].meaning})"),
        ("state", f"suspended since {one.suspended_at:%Y-%m-%d %H:%M} UTC" if one.suspended_at else "active"),
        *(("DUNS", f"{duns}, FTPS password {'set' if password else 'not set'}") for duns, password in one.duns.items()),
        ("e-mail", one.email),
        ("interval CSV", one.csv_profile),
        ("OpenPGP key", key),
        ("calls from", ", ".join(one.allowed_networks) or "any address"),
    ]


def _state(certificate: companies.CertificateView) -> str:
    now = real_now()
    if certificate.withdrawn_at is not None:
        return f"withdrawn on {certificate.withdrawn_at:%Y-%m-%d}"
    if now > certificate.not_after:
        return "expired"
    return "not yet valid" if now < certificate.not_before else "good"


@company.command("duns")
@click.argument("duns")
@click.argument("new_duns")
@click.pass_obj
def add_duns(hub: Hub, duns: str, new_duns: str) -> None:
    """Give the company with DUNS another one, NEW_DUNS."""
    companies.add_duns(hub.store, company_duns_number=duns, duns=new_duns, actor=operator(), clock=hub.clock)
    click.echo(f"DUNS {new_duns} is registered beside {duns}.")


@company.command("password")
@click.argument("duns")
@click.option("--stdin", is_flag=True, help="Read it from the first line of standard input instead of asking.")
@click.pass_obj
def set_password(hub: Hub, duns: str, stdin: bool) -> None:
    """Set the FTPS password of one DUNS number, 12 to 128 characters; it is asked for, or read from standard input.

    It is never an argument: arguments stand in the list of processes and in the shell's history.

    \b
    Examples:
      smt-ws company password 111111111
      pwgen -s 24 1 | tee pecan.password | smt-ws company password 111111111 --stdin
    """
    if stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    ftps_accounts.set_ftps_password(hub.store, duns=duns, password=password, actor=operator(), clock=hub.clock)
    click.echo(f"The FTPS account {duns} has a new password.")


@company.command()
@click.argument("duns")
@click.argument("file", type=_FILE)
@click.pass_obj
def key(hub: Hub, duns: str, file: Path) -> None:
    """Set the OpenPGP public key in FILE (armoured), to which the company's results are encrypted."""
    try:
        armored = text_of(file.read_bytes())
        info = companies.set_openpgp_certificate(
            hub.store, duns=duns, armored=armored, actor=operator(), clock=hub.clock
        )
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file} is not an armoured key: gpg --armor --export KEYID") from error
    except openpgp.OpenPGPError as error:
        raise click.ClickException(f"{error.code}: {error}") from error
    click.echo(f"Results are encrypted to {', '.join(info.user_ids) or 'a key without a name'}, {info.fingerprint}.")


@company.command()
@click.argument("duns")
@click.option("--name", help="Its legal name from now on.")
@click.option("--email", help="Where notices go from now on.")
@click.pass_obj
def change(hub: Hub, duns: str, name: str | None, email: str | None) -> None:
    """Change a company's legal name, or the e-mail address that notices go to.

    \b
    Examples:
      smt-ws company change 111111111 --email data@pecan.example
      smt-ws company change 111111111 --name "Pecan Energy of Texas"
    """
    companies.change_company(hub.store, duns=duns, legal_name=name, email=email, actor=operator(), clock=hub.clock)
    one = companies.find_company(hub.store, duns)
    click.echo(f"{one.legal_name}, {one.email}")


@company.command("csv")
@click.argument("duns")
@click.argument("profile", type=click.Choice(rules.CSV_PROFILES))
@click.pass_obj
def csv_profile(hub: Hub, duns: str, profile: str) -> None:
    """Choose how the company has its interval CSV, from its next order on."""
    companies.set_csv_profile(hub.store, duns=duns, csv_profile=profile, actor=operator(), clock=hub.clock)
    click.echo(f"From the next order on: {profile}.")


@company.command()
@click.argument("duns")
@click.pass_obj
def suspend(hub: Hub, duns: str) -> None:
    """Do nothing more for a company, at once and everywhere."""
    companies.suspend(hub.store, duns=duns, actor=operator(), clock=hub.clock)
    click.echo("Suspended.")


@company.command()
@click.argument("duns")
@click.pass_obj
def resume(hub: Hub, duns: str) -> None:
    """Lift a suspension."""
    companies.resume(hub.store, duns=duns, actor=operator(), clock=hub.clock)
    click.echo("Active.")


company.add_command(allow_address)
company.add_command(tdsp_endpoint)
company.add_command(bill_end_day)
company.add_command(callback)
company.add_command(profile)


@company.group()
def certificate() -> None:
    """Register and withdraw certificates for connecting (TLS) and for signing."""


@certificate.command("add")
@click.argument("duns")
@click.argument("file", type=_FILE)
@click.option("--tls", "for_tls", is_flag=True, help="For connecting to SOAP and FTPS.")
@click.option("--signing", "for_signing", is_flag=True, help="For signing messages.")
@click.option("--service-provider", is_flag=True, help="It is another company's, who acts for this one.")
@click.pass_obj
def add_certificate(hub: Hub, duns: str, file: Path, for_tls: bool, for_signing: bool, service_provider: bool) -> None:
    """Register the certificate in FILE (PEM or DER); several may be good at once.

    \b
    Example:
      smt-ws company certificate add 111111111 pecan-tls.crt --tls --signing
    """
    if not (for_tls or for_signing):
        raise click.UsageError("Say what it is for: --tls, --signing, or both.")
    authorities, crls = trusted_by(hub.settings.tls)
    sha256 = companies.register_certificate(
        hub.store, duns=duns, content=file.read_bytes(), for_tls=for_tls, for_signing=for_signing,
        authorities=authorities, crls=crls, environment=hub.settings.environment, actor=operator(), clock=hub.clock,
        service_provider=service_provider,
    )  # fmt: skip
    click.echo(f"Registered: SHA-256 {sha256}")


@certificate.command("withdraw")
@click.argument("duns")
@click.argument("sha256")
@click.pass_obj
def withdraw_certificate(hub: Hub, duns: str, sha256: str) -> None:
    """Refuse the company's certificate with this fingerprint from the next request on."""
    companies.withdraw_certificate(hub.store, duns=duns, sha256=sha256, actor=operator(), clock=hub.clock)
    click.echo("Withdrawn.")
