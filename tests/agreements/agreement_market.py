"""A small market for the tests of agreements: third parties, a REP, homes, customers with and without accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from smt_ws.agreements import respond
from smt_ws.agreements.form import Customer, Invitation, ListedMeter
from smt_ws.agreements.initiate import Initiated, initiate
from smt_ws.agreements.posting import PATHS, Posting
from smt_ws.agreements.rules import Kind, Purpose
from smt_ws.agreements.tables import agreement, agreement_history
from smt_ws.clock import FixedClock, central_today
from smt_ws.hub import Hub
from smt_ws.parties.account_rules import email_key
from smt_ws.parties.account_tables import account, account_meter
from smt_ws.parties.identify import Caller
from smt_ws.parties.tables import company, company_duns, grants, meter, premise, rep_of_record
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.store.tables import outbox

TDSP, LANTERN, BEACON, PECAN = "1039940674000", "333333333", "444444444", "111111111"
COMPANIES = ((LANTERN, "Lantern Savings", "CSP"), (BEACON, "Beacon Solar", "CSP"), (PECAN, "Pecan Energy", "REP"))


def esiid(number: int) -> str:
    return f"10443720{number:09d}"


def meter_number(number: int) -> str:
    return f"M{number:08d}"


#: A customer who is not registered, as a third party describes it.
ANA = Customer(
    registered=False,
    email="ana@customer.example",
    kind="residential",
    first_name="Ana",
    middle_initial="B",
    last_name="García",
    street="400 N Olive St",
    city="Dallas",
    state="TX",
    zip="75201",
    phone="214-555-0100",
    language="es",
)


@dataclass
class Town:
    hub: Hub
    callers: dict[str, Caller]
    premises: dict[int, int] = field(default_factory=dict)
    posted: list[dict[str, Any]] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.hub.store

    @property
    def clock(self) -> FixedClock:
        assert isinstance(self.hub.clock, FixedClock)
        return self.hub.clock

    @property
    def policy(self):
        return self.hub.settings.agreements

    def add_homes(self, count: int, *, provisioned: date | None = date(2020, 1, 1)) -> None:
        with self.store.write() as connection:
            for _ in range(count):
                number = len(self.premises)
                key = connection.execute(
                    insert(premise).values(esiid=esiid(number), tdsp_duns=TDSP, load_number=0)
                ).inserted_primary_key
                assert key is not None
                self.premises[number] = key[0]
                connection.execute(
                    insert(meter).values(
                        premise_id=key[0],
                        meter_number=meter_number(number),
                        installed_on=date(2020, 1, 1),
                        provisioned_on=provisioned,
                        load_number=0,
                    )
                )
                connection.execute(
                    insert(rep_of_record).values(
                        premise_id=key[0], from_day=date(2020, 1, 1), duns=PECAN, load_number=0
                    )
                )

    def register(self, email: str, *homes: int, code: str = "K7QF3MXP9TRW", kind: str = "residential") -> int:
        with self.store.write() as connection:
            key = connection.execute(
                insert(account).values(
                    email=email,
                    email_key=email_key(email),
                    password_hash="x",
                    kind=kind,
                    first_name="Rosa",
                    last_name="Luna",
                    language="en",
                    authorization_code=code,
                    created_at=self.clock.now(),
                    confirmed_at=self.clock.now(),
                )
            ).inserted_primary_key
            assert key is not None
        self.give_meters(key[0], *homes)
        return int(key[0])

    def give_meters(self, account_id: int, *homes: int) -> None:
        with self.store.write() as connection:
            for home in homes:
                connection.execute(
                    insert(account_meter).values(
                        premise_id=self.premises[home],
                        account_id=account_id,
                        meter_number=meter_number(home),
                        added_on=central_today(self.clock),
                        in_force=True,
                    )
                )

    def invite(
        self,
        *homes: int,
        kind: Kind = Kind.ONE_TIME,
        by: str = LANTERN,
        customer: Customer = ANA,
        address: str | None = None,
        **more: Any,
    ) -> list[Initiated]:
        report = {"report": "interval", "report_format": "CSV", "report_period": "3m"} if kind is Kind.ONE_TIME else {}
        asked = Invitation(
            kind=kind,
            customer=customer,
            requestor_id="svc",
            **(
                {"permitted": True, "meters": tuple(ListedMeter(esiid(home), meter_number(home)) for home in homes)}
                | report
                | more
            ),
        )
        with self.store.write() as connection:
            return initiate(connection, self.callers[by], asked, policy=self.policy, clock=self.clock, address=address)

    def post(self) -> list[dict[str, Any]]:
        """Carry out the letters that wait, as the outbox would; returns them as they leave."""
        posting, sent = Posting(self.hub, self.posted.append), len(self.posted)
        with self.store.write() as connection:
            rows = connection.execute(
                select(outbox.c.id, outbox.c.payload)
                .where(outbox.c.kind == "agreement.letter", outbox.c.done_at.is_(None))
                .order_by(outbox.c.id)
            ).all()
            connection.execute(
                outbox.update().where(outbox.c.id.in_([row.id for row in rows])).values(done_at=self.clock.now())
            )
        for row in rows:
            posting(row.payload)
        return self.posted[sent:]

    def tokens(self, letter: str = "agreement_invitation") -> dict[Purpose, str]:
        """The tokens of the newest posted *letter*."""
        notice = [one for one in self.posted if one["message"] == letter][-1]
        return {
            purpose: notice["facts"][f"{purpose}_url"].rpartition(path)[2]
            for purpose, path in PATHS.items()
            if notice["facts"][f"{purpose}_url"]
        }

    def invited(self, *homes: int, **more: Any) -> tuple[str, dict[Purpose, str]]:
        """Invite, send the letters, and return the first number with the links of its invitation."""
        (first, *_) = self.invite(*homes, **more)
        self.post()
        return first.number, self.tokens()

    def answer(self, purpose: Purpose, token: str, *, account_id: int | None = None, address: str | None = None):
        with self.store.write() as connection:
            if purpose is Purpose.ACCEPT:
                return respond.accept(
                    connection, token, account_id=account_id, policy=self.policy, clock=self.clock, address=address
                )
            act: Callable[..., respond.Decided] = respond.reject if purpose is Purpose.REJECT else respond.disown
            return act(connection, token, clock=self.clock, address=address)

    def look(self, token: str) -> respond.Invitation:
        with self.store.read() as connection:
            return respond.look(connection, token, now=self.clock.now())

    def row(self, number: str):
        with self.store.read() as connection:
            return connection.execute(select(agreement).where(agreement.c.number == number)).one()

    def history(self, number: str) -> list[tuple[str, str | None, str]]:
        with self.store.read() as connection:
            return [
                (row.act, row.from_status, row.to_status)
                for row in connection.execute(
                    select(agreement_history)
                    .where(agreement_history.c.number == number)
                    .order_by(agreement_history.c.id)
                )
            ]

    def open_grants(self, number: str, *, at: datetime | None = None) -> set[tuple[int, str]]:
        """Premise (by its place in the town) and scope of every grant that is open."""
        now = at or self.clock.now()
        places = {key: number for number, key in self.premises.items()}
        with self.store.read() as connection:
            return {
                (places[row.premise_id], row.scope)
                for row in connection.execute(select(grants).where(grants.c.source == f"agreement:{number}"))
                if row.granted_at <= now and (row.ended_at is None or row.ended_at > now)
            }

    def letters(self) -> list[tuple[str, str]]:
        """Name and reader of every letter that has left, in order."""
        return [(one["message"], one["to"]) for one in self.posted]

    def later(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))


def open_town(store: Store, url: str, folder: Path, clock: FixedClock, **policy: Any) -> Town:
    settings = Settings.model_validate(
        {
            "database": url,
            "work_folder": folder / "work",
            "ftps": {"root": folder / "ftps"},
            "mail": {"folder": folder / "mail"},
            "portal": {"base_url": "https://hub.example", "secret": folder / "portal-secret"},
            "agreements": policy,
        }
    )
    (folder / "portal-secret").write_text("5e" * 32)
    callers = {}
    with store.write() as connection:
        for duns, name, kind in COMPANIES:
            domain = name.split()[0].lower()
            key = connection.execute(
                insert(company).values(
                    legal_name=name,
                    kind=kind,
                    email=f"desk@{domain}.example",
                    contact_phone="512-555-0100",
                    created_at=clock.now(),
                )
            ).inserted_primary_key
            assert key is not None
            connection.execute(insert(company_duns).values(duns=duns, company_id=key[0], created_at=clock.now()))
            callers[duns] = Caller(key[0], name, kind, duns, (duns,), "ab" * 32, "cd" * 32)
    return Town(Hub(settings=settings, store=store, clock=clock), callers)
