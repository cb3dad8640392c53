"""The demonstration of consent: a third party asks, a customer says yes, the one report arrives (001 P1.1-P2.9)."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.console import Console

from smt_ws.sandbox.build import COMPANIES, Sandbox
from smt_ws.sandbox.customer import Customer
from smt_ws.sandbox.market import Market
from smt_ws.sandbox.requester import Requester
from smt_ws.sandbox.saying import say_waiting

__all__ = ["show_agreement"]

_EMAIL = "chika.akin@home.example"


def show_agreement(
    sandbox: Sandbox, market: Market, console: Console, step: Callable[[str], AbstractContextManager[None]]
) -> Path:
    """Show it on *console*, each part in a *step*; returns the decrypted report of the third party."""
    third_party = Requester(
        sandbox, sandbox.player(next(duns for _name, kind, duns in COMPANIES if kind == "CSP")), sandbox.hub().settings
    )
    customer = Customer(third_party.settings, sandbox.certificates / "ca.crt", _EMAIL)
    with step("A third party asks a customer for one report (CSPAuthorization.NewAgreement)"):
        number = _ask(third_party, market)
        console.print(f"  agreement [bold]{number}[/] is Pending: nothing is released", highlight=False)
    with step("The customer opens the link in the letter and accepts, over HTTPS, without an account"):
        say_waiting(console, f"the invitation to {_EMAIL} ({third_party.settings.mail.folder})")
        letter = customer.wait_for(number)
        console.print(f"  letter: {letter['Subject']}", highlight=False)
        address = customer.link(letter, "a")
        console.print(f"  page:   {customer.open(address)}", highlight=False)
        console.print(f"  page:   {customer.press(address)}", highlight=False)
    with step("The report arrives in the third party's folder, and both are told"):
        say_waiting(console, "agreement and order to be complete (AgreementDetails, GetStatus)")
        order_number = _complete(third_party, number)
        status = third_party.wait(order_number, lambda _status: None)
        into = third_party.player.folder / "received"
        report = next(file.name for file in status.file if file.name.startswith("IntervalMeterUsage"))
        (fetched,) = third_party.fetch([report], into)
        say_waiting(console, f"the e-mail that tells {_EMAIL} so")
        told = customer.wait_for(f"{number}: the report has been sent")
        console.print(f"  order {order_number}: {status.order.esiidDaysDelivered} days; {report}", highlight=False)
        console.print(f"  letter: {told['Subject']}", highlight=False)
    return third_party.open(fetched, into)


def _ask(third_party: Requester, market: Market) -> str:
    with market.meters.open(newline="") as file:
        home = next(csv.DictReader(file))
    answer = third_party.client("CSPAuthorization").service.NewAgreement(
        **third_party.header("ask"),
        agreementType="ONE_TIME",
        customerPermission=True,
        registered=False,
        customerEmail=_EMAIL,
        customerType="RESIDENTIAL",
        firstName="Chika",
        lastName="Akin",
        street="400 N Olive Street",
        city="Dallas",
        state="TX",
        zip="75201",
        meter=[{"esiid": home["ESIID"], "meterNumber": home["METER_NUMBER"]}],
        contactName="Ana Ruiz",
        contactPhone="512-555-0100",
        comments="We talked about it on the telephone on Tuesday.",
        reportType="INTERVAL",
        reportFormat="CSV",
        reportPeriod="1M",
    )
    return str(answer.agreement[0].agreementNumber)


def _complete(third_party: Requester, number: str, *, timeout: float = 60) -> str:
    """Wait until the agreement is Complete; return the number of its order."""
    client = third_party.client("CSPAuthorization")
    end = time.monotonic() + timeout
    while True:
        details: Any = client.service.AgreementDetails(**third_party.header("details"), agreementNumber=number)
        if details.status == "COMPLETE":
            return str(details.correlationId)
        if time.monotonic() > end:
            raise TimeoutError(f"agreement {number} is still {details.status} after {timeout:.0f} s")
        time.sleep(0.3)
