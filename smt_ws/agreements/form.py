"""What a request for an agreement must hold: form rules for SOAP fields and pages alike (A22, FR-1, 2, 5). Pure.

A problem names its field and says what is wrong; nothing here asks the store, so that nothing here tells of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from smt_ws.agreements.opens import HISTORY_MONTHS_AT_MOST
from smt_ws.agreements.rules import DEFAULT_MONTHS, KINDS, PERIODS, Kind
from smt_ws.parties.rules import ENERGY_DATA

__all__ = ["COMMENTS_AT_MOST", "Customer", "Invitation", "ListedMeter", "Problem", "first_problem", "plain_mac"]

COMMENTS_AT_MOST: Final = 1000
_EMAIL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{1,63}")
_PHONE: Final = re.compile(r"[0-9+() .x-]{7,30}")
_ZIP: Final = re.compile(r"[0-9]{5}(?:-[0-9]{4})?")
_STATE: Final = re.compile(r"[A-Z]{2}")
_CODE: Final = re.compile(r"[0-9A-Za-z -]{4,40}")
_METER: Final = re.compile(r"[0-9A-Za-z-]{1,30}")
_MAC: Final = re.compile(r"[0-9A-F]{16}")

#: Reports of a one-time agreement and their formats (A11, R2).
REPORTS: Final = {"interval": ("CSV", "XML"), "daily": ("CSV", "XML"), "monthly": ("CSV", "XML")}


#: What describes a customer who is not registered; a registered one's account says it (FR-2).
_DESCRIBED: Final = (
    "kind",
    "first_name",
    "middle_initial",
    "last_name",
    "title",
    "company_name",
    "street",
    "city",
    "state",
    "zip",
    "phone",
    "language",
)


class Problem(NamedTuple):
    """What is wrong with one field."""

    field: str
    presented: str
    expected: str


@dataclass(frozen=True, slots=True)
class Customer:
    """The customer as the initiator names it. A registered one is named by address or code, and no more (FR-2)."""

    registered: bool
    email: str = ""
    authorization_code: str = ""
    kind: str = ""
    first_name: str = ""
    middle_initial: str = ""
    last_name: str = ""
    title: str = ""
    company_name: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    phone: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class ListedMeter:
    """A meter that an agreement shall be about, and the devices behind it; each becomes an agreement (A5, FR-12)."""

    esiid: str
    meter_number: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Invitation:
    """A request for agreements with one customer, as it came. Contact fields left empty are the company's (FR-5)."""

    kind: Kind
    permitted: bool
    customer: Customer
    meters: tuple[ListedMeter, ...]
    requestor_id: str
    all_meters: bool = False
    contact_name: str = ""
    contact_phone: str = ""
    contact_email: str = ""
    comments: str = ""
    report: str = ""
    report_format: str = ""
    report_period: str = ""
    services: tuple[str, ...] = ()
    months: int | None = None
    #: Ongoing: months of usage before the acceptance; None: what the company's profile says (A24).
    history_months: int | None = None

    def wanted_services(self) -> tuple[str, ...]:
        """What it opens: what is named, else what its kind opens first."""
        return self.services or KINDS[self.kind].services[:1]

    def wanted_months(self) -> int | None:
        """How long it shall last; None where its kind has no end."""
        if not KINDS[self.kind].months:
            return None
        return self.months or DEFAULT_MONTHS

    def wanted_history(self, company_default: int) -> int:
        """Months of past usage that it asks for; *company_default* is that of the company's profile (A24)."""
        if not self.may_ask_history:
            return 0
        return company_default if self.history_months is None else self.history_months

    @property
    def may_ask_history(self) -> bool:
        """Only ongoing energy data has a past to ask for."""
        return self.kind is Kind.ONGOING and ENERGY_DATA in self.wanted_services()


def plain_mac(text: str) -> str:
    """A device's MAC address (EUI-64) as it is stored: sixteen hexadecimal digits, capitals, without separators."""
    return re.sub(r"[:. -]", "", text).upper()


def first_problem(asked: Invitation) -> Problem | None:
    """The first thing that is wrong with the form of *asked*, or None."""
    return next(_problems(asked), None)


def _problems(asked: Invitation) -> Iterator[Problem]:
    yield from _customer_problems(asked.customer)
    yield from _meter_problems(asked)
    yield from _matched("contactEmail", asked.contact_email, _EMAIL, "an e-mail address", needed=False)
    yield from _matched("contactPhone", asked.contact_phone, _PHONE, "a telephone number", needed=False)
    yield from _text("contactName", asked.contact_name, 120, needed=False)
    if len(asked.comments) > COMMENTS_AT_MOST or not asked.comments.replace("\n", "").isprintable():
        yield Problem("comments", f"{len(asked.comments)} characters", f"up to {COMMENTS_AT_MOST}, readable")
    yield from _purpose_problems(asked)


def _customer_problems(customer: Customer) -> Iterator[Problem]:
    if customer.registered:
        for name in _DESCRIBED:
            if getattr(customer, name):
                yield Problem(_wire(name), getattr(customer, name)[:60], "left out: the customer's account says it")
        if not (customer.email or customer.authorization_code):
            yield Problem("customerEmail", "", "an e-mail address or an Account Authorization Code")
        yield from _matched("customerEmail", customer.email, _EMAIL, "an e-mail address", needed=False)
        yield from _matched(
            "accountAuthorizationCode",
            customer.authorization_code,
            _CODE,
            "a code as the portal shows it",
            needed=False,
        )
        return
    if customer.authorization_code:
        yield Problem("accountAuthorizationCode", "", "left out: only registered customers have one")
    if customer.kind not in ("residential", "business"):
        yield Problem("customerType", customer.kind[:20], "RESIDENTIAL or BUSINESS")
    yield from _matched("customerEmail", customer.email, _EMAIL, "an e-mail address")
    yield from _text("firstName", customer.first_name, 60)
    yield from _text("middleInitial", customer.middle_initial, 1, needed=False)
    yield from _text("lastName", customer.last_name, 60)
    yield from _text("title", customer.title, 30, needed=False)
    yield from _text("companyName", customer.company_name, 200, needed=customer.kind == "business")
    yield from _text("street", customer.street, 200)
    yield from _text("city", customer.city, 100)
    yield from _matched("state", customer.state, _STATE, "two capitals")
    yield from _matched("zip", customer.zip, _ZIP, "five digits, or nine")
    yield from _matched("phone", customer.phone, _PHONE, "a telephone number", needed=False)
    if customer.language and (customer.kind != "residential" or customer.language not in ("en", "es")):
        yield Problem("languagePreference", customer.language[:20], "EN or ES, for residential customers alone")


def _meter_problems(asked: Invitation) -> Iterator[Problem]:
    if not asked.meters and not (asked.all_meters and asked.customer.registered):
        yield Problem("meter", "none", "at least one ESI ID")
    if asked.all_meters and len(asked.meters) > 1:
        yield Problem("meter", f"{len(asked.meters)}", "one ESI ID at most where all meters are asked for")
    seen: set[tuple[str, str]] = set()
    for listed in asked.meters:
        needed = not asked.customer.registered
        yield from _matched("meterNumber", listed.meter_number, _METER, "the number on the meter", needed=needed)
        for device in listed.devices:
            if not _MAC.fullmatch(plain_mac(device)):
                yield Problem("deviceMacAddress", device[:40], "an EUI-64: 16 hexadecimal digits")
        if listed.devices and asked.kind is not Kind.DEVICE:
            yield Problem("deviceMacAddress", listed.devices[0][:40], "left out: for in-home device agreements alone")
        for key in [(listed.esiid, plain_mac(device)) for device in listed.devices] or [(listed.esiid, "")]:
            if key in seen:
                yield Problem("meter", listed.esiid[:40], "each meter or device once")
            seen.add(key)


def _purpose_problems(asked: Invitation) -> Iterator[Problem]:
    what = KINDS[asked.kind]
    if asked.kind is Kind.ONE_TIME:
        if asked.report not in REPORTS:
            yield Problem("reportType", asked.report[:20], "INTERVAL, DAILY or MONTHLY")
        elif asked.report_format not in REPORTS[asked.report]:
            yield Problem("reportFormat", asked.report_format[:20], " or ".join(REPORTS[asked.report]))
        if asked.report_period not in PERIODS:
            yield Problem("reportPeriod", asked.report_period[:20], ", ".join(PERIODS).upper())
    else:
        for field in ("report", "report_format", "report_period"):
            if getattr(asked, field):
                yield Problem(_wire(field), getattr(asked, field)[:20], "left out: for one-time agreements alone")
    for service in asked.services:
        if service not in what.services:
            yield Problem("service", service[:30], " or ".join(what.services).upper())
    if len(set(asked.services)) != len(asked.services):
        yield Problem("service", "", "each service once")
    if asked.months is not None and asked.months not in what.months:
        expected = " or ".join(map(str, what.months)) or "left out: it has no end of its own"
        yield Problem("durationMonths", str(asked.months), expected)
    yield from _history_problems(asked)


def _history_problems(asked: Invitation) -> Iterator[Problem]:
    if asked.history_months is None:
        return
    if not asked.may_ask_history:
        yield Problem("historyMonths", str(asked.history_months), "left out: for ongoing energy data alone")
    elif not 0 <= asked.history_months <= HISTORY_MONTHS_AT_MOST:
        yield Problem("historyMonths", str(asked.history_months), f"0 to {HISTORY_MONTHS_AT_MOST}")


def _text(field: str, value: str, longest: int, *, needed: bool = True) -> Iterator[Problem]:
    if needed and not value.strip():
        yield Problem(field, "", f"1 to {longest} characters")
    elif len(value) > longest or not value.isprintable():
        yield Problem(field, value[:60], f"up to {longest} characters, on one line")


def _matched(
    field: str, value: str, pattern: re.Pattern[str], expected: str, *, needed: bool = True
) -> Iterator[Problem]:
    if (value or needed) and (len(value) > 254 or not pattern.fullmatch(value)):
        yield Problem(field, value[:60], expected)


#: Names on the wire that are not just the field's own in another spelling.
_WIRE: Final = {"kind": "customerType", "language": "languagePreference", "report": "reportType"}


def _wire(name: str) -> str:
    first, *rest = name.split("_")
    return _WIRE.get(name) or first + "".join(part.capitalize() for part in rest)
