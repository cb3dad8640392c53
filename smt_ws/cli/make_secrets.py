"""``smt-ws make-secrets``: the secrets of a new hub, each made once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import click

from smt_ws.hub import Hub

__all__ = ["make_secrets"]


@click.command("make-secrets")
@click.pass_obj
def make_secrets(hub: Hub) -> None:
    """Make every secret that the settings name and that is not there yet; one that is there stays as it is.

    These are the portal's secret, the Green Button secret, the keys of installation codes and the hub's OpenPGP key,
    whose public half is put beside it for TDSPs. All belong to the backup: none can be made again.

    \b
    Example:
      smt-ws --settings /etc/smt-ws/smt-ws.toml make-secrets
    """
    from adapters import openpgp
    from smt_ws.han.secrets import new_key

    settings = hub.settings

    def openpgp_key() -> str:
        secret, public = openpgp.make_key(f"Smart meter hub <{settings.support_contact}>")
        own = settings.openpgp.secret_key
        half = own.with_name(f"{own.stem.removesuffix('-secret')}-public{own.suffix}")
        half.write_text(public)
        click.echo(f"{half}: for TDSPs, to encrypt their files to")
        return secret

    made: tuple[tuple[Path, Callable[[], str]], ...] = (
        (settings.portal.secret, lambda: secrets.token_hex(32) + "\n"),
        (settings.green_button.namespace_secret, lambda: secrets.token_hex(32) + "\n"),
        (settings.han.install_code_keys, lambda: new_key() + "\n"),
        (settings.openpgp.secret_key, openpgp_key),
    )
    for path, make in made:
        if path.exists():
            click.echo(f"{path}: is there, stays as it is")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        content = make()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
        click.echo(f"{path}: made")
