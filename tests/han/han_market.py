"""A small market for the tests of the home area network: premises, companies, agreements; a TDSP that takes calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from smt_ws.clock import FixedClock, central_today
from smt_ws.han import handover, provision, rules, send, statuses
from smt_ws.han.provision import Asked, DeviceRequest
from smt_ws.han.secrets import InstallCodeKeys, new_key
from smt_ws.han.statuses import MessagePost, ProvisioningPost
from smt_ws.han.tables import han_device, han_message_target
from smt_ws.han.terms import Terms
from smt_ws.hub import Hub
from smt_ws.parties.tables import company, company_duns, grants, meter, premise, rep_of_record
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.store.tables import outbox

ONCOR, CENTERPOINT = "1039940674000", "9574813130000"
#: Installation codes with their CRCs, of all four lengths (facts 3.3).
CODES = (
    "83FED3407A932B70",
    "83FED3407A93972397FC",
    "7A939723A5C639B269161802819B",
    "83FED3407A939723A5C639B26916D505C3B5",
)


@dataclass(frozen=True)
class Who:
    """What use cases need of a caller."""

    company_id: int
    kind: str
    duns: str
    duns_numbers: tuple[str, ...]
    tls_sha256: str = "ab" * 32


def esiid(number: int) -> str:
    return f"10443720{number:09d}"


def mac(number: int) -> str:
    return f"000D6F00{number:08X}"


def meter_of(number: int) -> str:
    return f"M{number}"


@dataclass
class HanMarket:
    hub: Hub
    clock: FixedClock
    keys: InstallCodeKeys
    who: dict[str, Who]
    premises: dict[int, int] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.hub.store

    @property
    def rep(self) -> Who:
        return self.who["rep"]

    @property
    def csp(self) -> Who:
        return self.who["csp"]

    @property
    def tdsp(self) -> Who:
        return self.who["tdsp"]

    @property
    def terms(self) -> Terms:
        return Terms.of(self.hub.settings)

    def add_premises(self, numbers: range, *, tdsp: str = ONCOR) -> None:
        """Premises with a meter each, served by the REP."""
        with self.store.write() as connection:
            for number in numbers:
                key = connection.execute(
                    insert(premise).values(esiid=esiid(number), tdsp_duns=tdsp, load_number=0).returning(premise.c.id)
                ).scalar_one()
                self.premises[number] = key
                hung = {"installed_on": date(2020, 1, 1), "provisioned_on": date(2020, 1, 1), "load_number": 0}
                connection.execute(insert(meter).values(premise_id=key, meter_number=meter_of(number), **hung))
                connection.execute(
                    insert(rep_of_record).values(
                        premise_id=key, from_day=date(2020, 1, 1), duns=self.rep.duns, load_number=0
                    )
                )

    def grant(self, who: Who, scope: str, numbers: range, **times: Any) -> None:
        """An agreement in force."""
        rows = [
            {"premise_id": self.premises[number], "id": number * 100 + who.company_id * 10 + len(scope) % 10,
             "company_id": who.company_id, "scope": scope, "from_day": date(2026, 1, 1), "to_day": None,
             "granted_at": datetime(2026, 1, 1, tzinfo=self.clock.now().tzinfo), "ended_at": None,
             "source": "agreement:010126000001", **times}
            for number in numbers
        ]  # fmt: skip
        with self.store.write() as connection:
            connection.execute(insert(grants), rows)

    def ask(self, number: int = 1, device: int = 1, who: Who | None = None, **other: str) -> Asked:
        """Ask to add a device."""
        values = {
            "trans_id": "t", "requestor_id": "svc", "esiid": esiid(number), "meter_number": meter_of(number),
            "eui64": mac(device), "install_code": CODES[device % 4], "device_type": "PCT",
        }  # fmt: skip
        with self.store.write() as connection:
            return provision.provision_device(
                connection,
                who or self.rep,  # type: ignore[arg-type]
                DeviceRequest(**(values | other)),
                terms=self.terms,
                keys=self.keys,
                clock=self.clock,
            )

    def request(self, number: int = 1, device: int = 1) -> DeviceRequest:
        return DeviceRequest("t", "svc", esiid(number), meter_of(number), mac(device))

    def post(self, asked: Asked | int, status: str, *, number: int = 1, device: int | None = None, after: int = 0,
             reason: str | None = None, duns: str = ONCOR) -> str:  # fmt: skip
        """Post a status of a request as a TDSP, so many minutes after now; return the answer's code."""
        request_id = asked if isinstance(asked, int) else asked.request_id
        reason = reason or ("OTHER" if status in {"REJECTED", "FAILED"} else None)
        post = ProvisioningPost(
            request_id, esiid(number), meter_of(number), None if device is None else mac(device), status, reason,
            None, self.clock.now() + timedelta(minutes=after),
        )  # fmt: skip
        with self.store.write() as connection:
            (answer,) = statuses.post_provisioning_statuses(
                connection, tdsp_duns_numbers=(duns,), posts=[post], clock=self.clock
            )
        return answer.code

    def hand_over(self) -> None:
        """Let the TDSPs take everything that waits for them, as the outbox would."""
        with self.store.write() as connection:
            waiting = connection.execute(
                select(outbox).where(outbox.c.done_at.is_(None), outbox.c.target.like("tdsp:%")).order_by(outbox.c.id)
            ).all()
        for row in waiting:
            with self.store.write() as connection:
                if row.kind in {handover.ADD_DEVICE, handover.REMOVE_DEVICE}:
                    number = row.payload["request_id"]
                    handover.provision_request(connection, number, keys=self.keys, now=self.clock.now())
                    handover.provision_handed_over(connection, number, clock=self.clock)
                else:
                    calls = handover.deliveries(connection, [row.payload], now=self.clock.now())
                    taken = [handover.Taken(one.message_id, one.first, one.last, {}) for one in calls]
                    handover.handed_over(connection, taken, clock=self.clock)
                connection.execute(outbox.update().where(outbox.c.id == row.id).values(done_at=self.clock.now()))

    def device_added(self, number: int = 1, device: int = 1) -> Asked:
        """A device that is Device Added."""
        asked = self.ask(number, device)
        self.hand_over()
        assert self.post(asked, "ADDED", number=number) == "ACCEPTED"
        return asked

    def devices_put(self, numbers: range) -> None:
        """A device at each premise, straight into the store: for tests of messages."""
        with self.store.write() as connection:
            connection.execute(
                insert(han_device),
                [
                    {"premise_id": self.premises[number], "eui64": mac(number), "device_type": "IHD",
                     "state": rules.DeviceState.DEVICE_ADDED.value, "holds_slot": True, "add_request": number,
                     "company_id": self.rep.company_id, "meter_number": meter_of(number), "tdsp_duns": ONCOR,
                     "state_at": self.clock.now(), "entries": 0, "added_on": central_today(self.clock)}
                    for number in numbers
                ],
            )  # fmt: skip

    def state(self, number: int = 1, device: int = 1) -> str:
        with self.store.read() as connection:
            of = han_device.c
            here = (of.premise_id == self.premises[number], of.eui64 == mac(device))
            return connection.execute(select(of.state).where(*here)).scalar_one()

    def text(self, numbers: range | list[int] = range(1, 2), text: str = "Peak day", who: Who | None = None,
             **other: Any) -> send.Sent:  # fmt: skip
        """Send a text message."""
        start = other.pop("start", None)
        with self.store.write() as connection:
            return send.send_text(
                connection,
                who or self.rep,  # type: ignore[arg-type]
                send.Submission("t", "svc", [esiid(number) for number in numbers], start),
                text=text,
                **({"duration_minutes": 60} | other),
                terms=self.terms,
                clock=self.clock,
            )

    def event(self, numbers: range | list[int] = range(1, 2), who: Who | None = None, **other: Any) -> send.Sent:
        """Send a load control event."""
        start = other.pop("start", None)
        numbers_of = {"deviceClass": 0x0FFF, "enrollmentGroup": 0, "durationMinutes": 60, "criticalityLevel": 2}
        with self.store.write() as connection:
            return send.send_load_control(
                connection,
                who or self.rep,  # type: ignore[arg-type]
                send.Submission("t", "svc", [esiid(number) for number in numbers], start),
                numbers=numbers_of | other,
                terms=self.terms,
                clock=self.clock,
            )

    def told(self, message: int, status: str, *, number: int = 1, after: int = 0, sep: int | None = None,
             device: int | None = None, cancels: int | None = None, duns: str = ONCOR) -> str:  # fmt: skip
        """Post a status of a message as a TDSP; *cancels* names the original of a cancellation."""
        post = MessagePost(
            message if cancels is None else cancels, None if cancels is None else message, esiid(number),
            meter_of(number), None if device is None else mac(device), status, None, sep,
            self.clock.now() + timedelta(minutes=after),
        )  # fmt: skip
        with self.store.write() as connection:
            (answer,) = statuses.post_message_statuses(
                connection, tdsp_duns_numbers=(duns,), posts=[post], clock=self.clock
            )
        return answer.code

    def message_state(self, message: int, number: int = 1) -> str:
        of = han_message_target.c
        with self.store.read() as connection:
            here = (of.message_number == message, of.premise_id == self.premises[number])
            return connection.execute(select(of.state).where(*here)).scalar_one()

    def outbox(self, kind: str) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(select(outbox).where(outbox.c.kind == kind).order_by(outbox.c.id)).all())

    def count(self, table: Any) -> int:
        with self.store.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()


def open_han_market(store: Store, folder: Path, clock: FixedClock, **han: Any) -> HanMarket:
    """Oncor with premises 1 to 20, CenterPoint with 21 and 22; a REP that serves all, a third party with nothing."""
    key_file = folder / "install-code-keys"
    key_file.write_text(new_key() + "\n")
    settings = Settings.model_validate(
        {
            "work_folder": folder / "work",
            "ftps": {"root": folder / "ftps"},
            "han": {"install_code_keys": key_file} | han,
        }
    )
    hub = Hub(settings=settings, store=store, clock=clock)
    who = {}
    for name, kind, duns in (
        ("rep", "REP", "1234567890000"),
        ("csp", "CSP", "3333333330000"),
        ("tdsp", "TDSP", ONCOR),
    ):
        with store.write() as connection:
            number = connection.execute(
                insert(company)
                .values(legal_name=name, kind=kind, email=f"it@{name}.example", created_at=clock.now())
                .returning(company.c.id)
            ).scalar_one()
            connection.execute(insert(company_duns).values(duns=duns, company_id=number, created_at=clock.now()))
        who[name] = Who(number, kind, duns, (duns,))
    market = HanMarket(hub, clock, InstallCodeKeys.of(settings), who)
    market.add_premises(range(1, 21))
    market.add_premises(range(21, 23), tdsp=CENTERPOINT)
    return market
