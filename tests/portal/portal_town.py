"""Names and a browser that the portal's tests share."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from email.message import EmailMessage
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import insert, select
from werkzeug.test import TestResponse

from smt_ws.han.tables import han_device, han_request
from smt_ws.hub import Hub
from smt_ws.parties.identify import Caller
from smt_ws.parties.tables import company_duns, premise
from smt_ws.store.engine import Store

HOMES = {"10443720000000017": "M100001", "10443720000000025": "M100002", "10443720000000033": "M100003"}
ESIIDS = tuple(HOMES)
CHIKA = "cakin@customer.example"
PASSWORD = "correct horse battery"
#: A device was added on the first day, and on the second somebody else has moved in.
ADDED_ON, LEFT_ON = date(2026, 1, 10), date(2026, 6, 1)


def link_in(letter: EmailMessage, kind: str) -> str:
    """The path of the link of *kind* (a, r, d, confirm, new-password) in a letter."""
    body = letter.get_body(("plain",))
    assert body is not None
    found = re.search(rf"https://hub\.example(/{kind}/[A-Za-z0-9_-]+)", body.get_content())
    assert found, body.get_content()
    return found[1]


def lantern(hub: Hub) -> Caller:
    """The third party, as the SOAP gate would know it."""
    with hub.store.read() as connection:
        company_id = connection.scalar(select(company_duns.c.company_id).where(company_duns.c.duns == "333333333"))
    assert company_id is not None
    return Caller(
        company_id=company_id, legal_name="Lantern Analytics", kind="CSP", duns="333333333",
        duns_numbers=("333333333",), tls_sha256="0" * 64, signing_sha256="0" * 64,
    )  # fmt: skip


def put_device(store: Store, premise_id: int, *, add_request: int, eui64: str, added_on: date = ADDED_ON) -> None:
    """A thermostat that somebody had added at a premise on a day, by Lantern Analytics or whoever comes first."""
    moment = datetime(added_on.year, added_on.month, added_on.day, 18, tzinfo=UTC)
    with store.write() as connection:
        company_id, duns = connection.execute(
            select(company_duns.c.company_id, company_duns.c.duns).order_by(company_duns.c.duns).limit(1)
        ).one()
        tdsp = connection.scalar(select(premise.c.tdsp_duns).where(premise.c.id == premise_id))
        both = {"premise_id": premise_id, "eui64": eui64, "company_id": company_id, "meter_number": "M1"}
        connection.execute(
            insert(han_request).values(
                **both, number=add_request, action="ADD", duns=duns, trans_id="t", requestor_id="svc",
                asked_at=moment, tdsp_duns=tdsp, handed_over_at=moment,
            )
        )  # fmt: skip
        connection.execute(
            insert(han_device).values(
                **both, device_type="PCT", state="Device Added", holds_slot=True, add_request=add_request,
                tdsp_duns=tdsp, state_at=moment, entries=0, added_on=added_on,
            )
        )  # fmt: skip


class Browser:
    """A test client that fills in a page's form as a person would: hidden fields are sent as they came."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.page: TestResponse | None = None

    @property
    def text(self) -> str:
        assert self.page is not None
        return unescape(self.page.get_data(as_text=True))

    @property
    def title(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.text)
        assert found, self.text
        return found[1]

    def get(self, path: str, **options: Any) -> TestResponse:
        self.page = self.client.get(path, follow_redirects=True, base_url="https://localhost", **options)
        return self.page

    def post(self, path: str, *, token: bool = True, **fields: Any) -> TestResponse:
        if token:
            found = re.search(r'name="csrf_token" value="([^"]+)"', self.text)
            assert found, "the page has no form"
            fields["csrf_token"] = found[1]
        self.page = self.client.post(path, data=fields, follow_redirects=True, base_url="https://localhost")
        return self.page

    def register(self, **changed: str) -> TestResponse:
        fields = {
            "kind": "residential", "first_name": "Chika", "last_name": "Akin", "email": CHIKA, "email_again": CHIKA,
            "language": "en", "esiid": ESIIDS[0], "meter_number": "100001", "password": PASSWORD,
            "password_again": PASSWORD,
        } | changed  # fmt: skip
        if self.page is None or "csrf_token" not in self.text:
            self.get("/register?kind=residential")
        return self.post("/register", **fields)

    def log_in(self, email: str = CHIKA, password: str = PASSWORD) -> TestResponse:
        self.get("/log-in")
        return self.post("/log-in", email=email, password=password)
