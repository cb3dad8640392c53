"""Make sample certificates for a sandbox: ``python certs-sample/make_certs.py --out DIR --company NAME:DUNS …``."""

from __future__ import annotations

from pathlib import Path

import click

from smt_ws.clock import real_now
from smt_ws.parties.certificates import fingerprint
from smt_ws.parties.rules import is_duns
from smt_ws.sandbox.certificates import PKCS12_PASSWORD, make_sample_certificates


def _name_and_duns(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    companies = {}
    for value in values:
        name, separator, duns = value.rpartition(":")
        if not (separator and name.strip() and is_duns(duns)):
            raise click.BadParameter(f"{value!r} is not NAME:DUNS with a DUNS number of 9 or 13 digits")
        companies[name.strip()] = duns
    return companies


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write into.")
@click.option("--company", "companies", multiple=True, callback=_name_and_duns, help="NAME:DUNS; as often as needed.")
@click.option("--host", "hosts", multiple=True, default=("localhost", "127.0.0.1"), show_default=True,
              help="Names and addresses of the hub.")  # fmt: skip
def main(out: Path, companies: dict[str, str], hosts: tuple[str, ...]) -> None:
    """Make a sample authority, the hub's certificates, and a TLS and a signing certificate for each company.

    \b
    Example:
      python certs-sample/make_certs.py --out certs --company "Pecan Energy:111111111" --company "Gulf Power:222222222"

    A second run with the same folder keeps the authority and the hub's certificates and adds companies.
    """
    made = make_sample_certificates(out, companies, now=real_now(), hosts=hosts)
    for name, pairs in made.items():
        for pair in pairs:
            click.echo(f"{pair.certificate_file}  {name}  SHA-256 {fingerprint(pair.certificate)}")
    click.echo(f"Private keys and .p12 files (password: {PKCS12_PASSWORD}) are in {out}. For sandboxes only.")


if __name__ == "__main__":
    main()
