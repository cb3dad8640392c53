"""``smt-ws company profile``: what a company tells customers of itself."""

from __future__ import annotations

import click

from smt_ws.cli.acting import operator
from smt_ws.hub import Hub
from smt_ws.parties.profile import Profile, profile_of, set_profile

__all__ = ["profile"]


@click.command()
@click.argument("duns")
@click.option("--contact-name", help="Whom customers may ask.")
@click.option("--contact-phone", help="And where.")
@click.option("--privacy-url", help="The privacy policy's address, https.")
@click.option(
    "--history-months",
    type=click.IntRange(0, 24),
    help="Months of past usage that its ongoing requests ask for where they do not say; 0 at first.",
)
@click.pass_obj
def profile(
    hub: Hub,
    duns: str,
    contact_name: str | None,
    contact_phone: str | None,
    privacy_url: str | None,
    history_months: int | None,
) -> None:
    """Show what a company tells customers in its invitations, or change it; an empty text takes away."""
    wanted = Profile(contact_name, contact_phone, privacy_url, history_months)
    if wanted != Profile():
        actor = operator()
        set_profile(hub.store, duns=duns, profile=wanted, actor=actor, clock=hub.clock)
    told = profile_of(hub.store, duns)
    click.echo(f"contact: {told.contact_name or 'its legal name'}, {told.contact_phone or 'no telephone number'}")
    click.echo(f"past usage asked for by ongoing requests: {told.history_months} months")
    click.echo(f"privacy policy: {told.privacy_url or 'not provided'}")
