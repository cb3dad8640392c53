"""``smt-ws check-message`` and ``check-contract``: what a developer asks before the first call."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from cryptography import x509
from lxml import etree

from adapters.soap.wssecurity import Verified

__all__ = ["check_contract", "check_message"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--received",
    metavar="MOMENT",
    help="Judge freshness at this moment, e.g. 2026-11-20T15:00:00+00:00; default: when the message says it was made.",
)
@click.option(
    "--certificate",
    "certificate_file",
    type=_FILE,
    help="The signing certificate (PEM), for a message that names it by issuer and serial number.",
)
def check_message(file: Path, received: str | None, certificate_file: Path | None) -> None:
    """Check the signed SOAP message in FILE as the hub would, and ask a second library for its opinion.

    Says nothing about whom the certificate belongs to: that is `smt-ws check-certificate`.

    \b
    Example:
      smt-ws check-message request.xml
    """
    from adapters.soap.faults import SOAP11, SOAP12, Fault
    from adapters.soap.parsing import parse
    from adapters.soap.wss_shape import find_parts
    from adapters.soap.wss_timestamp import read_timestamp
    from adapters.soap.wssecurity import Policy, SecurityFailure, check_bytes, verify

    message = file.read_bytes()
    soap = SOAP12 if SOAP12.encode() in message[:4096] else SOAP11
    named = x509.load_pem_x509_certificate(certificate_file.read_bytes()) if certificate_file else None
    try:
        check_bytes(message)
        envelope = parse(message, soap=soap)
        now = _moment(received) if received else read_timestamp(find_parts(envelope).timestamp)[0]
        policy = Policy(require_token=named is None)
        verified = verify(envelope, now=now, policy=policy, certificates=lambda _issuer, _serial: named)
    except (SecurityFailure, Fault) as error:
        rule = getattr(error, "rule", None)
        raise click.ClickException(f"{error.code}: {error}" + (f" (BSP 1.1 {rule})" if rule else "")) from error
    click.echo(f"signature   good, by {verified.certificate.subject.rfc4514_string()}")
    click.echo(f"serial      {verified.certificate.serial_number}")
    click.echo(f"created     {verified.created.isoformat()}")
    click.echo(f"expires     {verified.expires.isoformat()}")
    click.echo(f"operation   {etree.QName(verified.body).localname}")
    click.echo(f"signxml     {_second_opinion(envelope, verified)}")


def _second_opinion(envelope: etree._Element, verified: Verified) -> str:
    from signxml.exceptions import InvalidSignature
    from signxml.verifier import SignatureConfiguration, XMLVerifier

    signature = envelope.find(".//{http://www.w3.org/2000/09/xmldsig#}Signature")
    references = signature.findall(".//{http://www.w3.org/2000/09/xmldsig#}Reference") if signature is not None else []
    try:
        XMLVerifier().verify(
            envelope,
            x509_cert=verified.certificate,
            expect_config=SignatureConfiguration(
                location=".//", expect_references=len(references), verification_time=verified.created
            ),
            # its schema check refuses the prefix lists that soapUI and CXF always send
            validate_schema=False,
        )
    except InvalidSignature as error:
        return f"differs: {error}"
    return "agrees"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no moment such as 2026-11-20T15:00:00+00:00") from error
    if moment.tzinfo is None:
        raise click.BadParameter("give the moment with its time zone, e.g. +00:00")
    return moment


@click.command()
@click.argument("file", type=_FILE)
def check_contract(file: Path) -> None:
    """Check the Body of the SOAP message in FILE against the published XSD of its service.

    \b
    Example:
      smt-ws check-contract request.xml
    """
    import xmlschema

    from adapters.soap.faults import SOAP11, SOAP12, Fault
    from adapters.soap.parsing import parse
    from smt_ws.soap.app import CONTRACTS, SERVICES

    message = file.read_bytes()
    soap = SOAP12 if SOAP12.encode() in message[:4096] else SOAP11
    try:
        envelope = parse(message, soap=soap)
    except Fault as error:
        raise click.ClickException(f"{error.code}: {error}") from error
    body = envelope.find(f"{{{soap}}}Body")
    if body is None or len(body) != 1:
        raise click.ClickException("the Body must have one child, the operation")
    namespace = etree.QName(body[0]).namespace or ""
    name = next((name for name in SERVICES if namespace.split(":")[2:3] == [name]), None)
    if name is None:
        raise click.ClickException(
            f"no published service has the namespace {namespace!r}; there are {', '.join(SERVICES)}"
        )
    schema = xmlschema.XMLSchema(str(CONTRACTS / "xsd" / f"{name}.xsd"), allow="local")
    found = list(schema.iter_errors(body[0]))
    for one in found[:20]:
        click.echo(f"{one.path}: {one.reason}", err=True)
    if found:
        raise click.exceptions.Exit(1)
    click.echo(f"{etree.QName(body[0]).localname}: fits xsd/{name}.xsd")
