"""What is told of premises and meters, to whom; attributes from the TDSPs' files (facts 3.4; R5, U8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from io import BytesIO

import pytest
from sqlalchemy import insert, select

from adapters import csv_layout, market_csv
from smt_ws.parties import information as told_of
from smt_ws.parties import premises
from smt_ws.parties.errors import StatedReasonMissingError
from smt_ws.parties.tables import company, grants, meter, premise
from smt_ws.store.tables import audit_log

TDSP, OTHER_TDSP, REP, OTHER_REP = "1039940674000", "957877905", "111111111", "222222222"
PREMISES = (
    "ESIID,TDSP_DUNS,SERVICE_ADDRESS,CITY,STATE,ZIP,PREMISE_TYPE,STATUS,COUNTY,READ_CYCLE\n"
    f"10443720000000001,{TDSP},1 Example St,Dallas,TX,75201,RESIDENTIAL,ACTIVE,Dallas,07\n"
    f"10443720000000002,{TDSP},2 Example St,Dallas,TX,75201,RESIDENTIAL,ACTIVE,,\n"
    f"10443720000000003,{TDSP},3 Example St,Dallas,TX,75201,RESIDENTIAL,ACTIVE,,\n"
)
METERS = (
    "ESIID,METER_NUMBER,INSTALLED_ON,PROVISIONED_ON,MANUFACTURER,FIRMWARE_VERSION,DG_CHANNEL,TESTED_ON\n"
    "10443720000000001,M1,2020-01-01,2020-02-01,Landis+Gyr,2.08,Y,2026-01-20\n"
    "10443720000000002,M2,2026-10-01,,,,,\n"
)
SERVICE = (
    "ESIID,REP_DUNS,FROM_DATE,TO_DATE\n"
    f"10443720000000001,{REP},2020-01-01,\n"
    f"10443720000000002,{REP},2020-01-01,\n"
    f"10443720000000003,{REP},2020-01-01,2026-11-01\n"
    f"10443720000000003,{OTHER_REP},2026-11-02,\n"
)
ESIIDS = [f"1044372000000000{n}" for n in (3, 2, 1)]


@dataclass(frozen=True)
class Who:
    company_id: int = 1
    kind: str = "REP"
    duns: str = REP
    duns_numbers: tuple[str, ...] = (REP,)
    tls_sha256: str = "ab" * 32


def load(store, layout, text: str, apply, number: int):
    rows = list(csv_layout.read(BytesIO(text.encode()), layout))
    assert not [row for row in rows if isinstance(row, csv_layout.RowReject)], rows
    with store.write() as connection:
        return apply(connection, rows, load_number=number, tdsp_duns=TDSP)


@pytest.fixture
def town(store):
    load(store, market_csv.PREMISES, PREMISES, premises.apply_premises, 1)
    load(store, market_csv.METERS, METERS, premises.apply_meters, 2)
    load(store, market_csv.REPS_OF_RECORD, SERVICE, premises.apply_reps_of_record, 3)
    return store


def ask(store, clock, subject, esiids=ESIIDS, who: Who | None = None, reason: str | None = None) -> told_of.Information:
    with store.write() as connection:
        return told_of.information(connection, who or Who(), esiids, subject, clock=clock, reason=reason)


def test_a_rep_is_told_of_premises_that_it_serves_today_and_why_not_of_others_r5(town, clock) -> None:
    found = ask(town, clock, told_of.PREMISES, [*ESIIDS, "10443720000000009", "x"])
    assert [one.esiid[-1] for one in found.told] == ["2", "1"]
    assert (found.told[1].service_address, found.told[1].zip, found.told[1].status) == (
        "1 Example St",
        "75201",
        "ACTIVE",
    )
    assert [dict(one.attributes) for one in found.told] == [{}, {"county": "Dallas", "read_cycle": "07"}]
    assert [(one.esiid[-1], one.code) for one in found.withheld] == [
        ("3", "AFTER_SERVICE"),
        ("9", "ESIID_UNKNOWN"),
        ("x", "ESIID_MALFORMED"),
    ]
    assert all(one.reason for one in found.withheld)


def test_a_meter_is_told_with_its_attributes_provisioned_or_not_u8(town, clock) -> None:
    unprovisioned, known = ask(town, clock, told_of.METERS).told
    assert (unprovisioned.meter_number, unprovisioned.provisioned_on, dict(unprovisioned.attributes)) == (
        "M2",
        None,
        {},
    )
    assert (known.meter_number, known.installed_on, known.provisioned_on) == (
        "M1",
        date(2020, 1, 1),
        date(2020, 2, 1),
    )
    assert known.attributes == {
        "manufacturer": "Landis+Gyr",
        "firmware_version": "2.08",
        "dg_channel": "Y",
        "tested_on": "2026-01-20",
    }


def test_a_tdsp_sees_its_own_a_third_party_what_agreements_open(town, clock) -> None:
    tdsp = Who(kind="TDSP", duns=TDSP, duns_numbers=(TDSP,))
    assert len(ask(town, clock, told_of.PREMISES, who=tdsp).told) == 3
    other = Who(kind="TDSP", duns=OTHER_TDSP, duns_numbers=(OTHER_TDSP,))
    assert {one.code for one in ask(town, clock, told_of.METERS, who=other).withheld} == {"NOT_YOUR_PREMISE"}
    with town.write() as connection:
        row = {"legal_name": "T", "kind": "CSP", "email": "t@example.com", "created_at": clock.now()}
        key = connection.execute(insert(company).values(row)).inserted_primary_key
        first = connection.scalar(select(premise.c.id).where(premise.c.esiid == ESIIDS[2]))
        connection.execute(
            insert(grants).values(
                premise_id=first, id=1, company_id=key[0], scope="energy_data", from_day=date(2026, 11, 1),
                granted_at=clock.now(), source="agreement:1",
            )
        )  # fmt: skip
    third = Who(company_id=key[0], kind="CSP", duns="333333333", duns_numbers=("333333333",))
    assert [one.esiid for one in ask(town, clock, told_of.PREMISES, who=third).told] == [ESIIDS[2]]


def test_what_a_later_file_leaves_out_stays_as_it_was(town, clock) -> None:
    again = load(town, market_csv.METERS, METERS, premises.apply_meters, 4)
    assert (again.loaded, again.replaced, again.unchanged) == (0, 0, 2)
    newer = METERS.replace(",2.08,Y", ",3.01,")
    changed = load(town, market_csv.METERS, newer, premises.apply_meters, 5)
    assert (changed.replaced, changed.unchanged) == (1, 1)
    attributes = ask(town, clock, told_of.METERS).told[1].attributes
    assert (attributes["firmware_version"], attributes["dg_channel"]) == ("3.01", "Y")
    plain = "\n".join(line.rsplit(",", 2)[0] for line in PREMISES.splitlines()) + "\n"
    assert load(town, market_csv.PREMISES, plain, premises.apply_premises, 6).unchanged == 3
    assert (
        load(
            town, market_csv.PREMISES, PREMISES.replace(",Dallas,07", ",Denton,07"), premises.apply_premises, 7
        ).replaced
        == 1
    )


def test_an_exchanged_meter_is_not_told_and_its_attributes_can_still_be_corrected_u8(town, clock) -> None:
    exchange = "ESIID,METER_NUMBER,INSTALLED_ON,PROVISIONED_ON\n10443720000000001,M9,2026-11-10,2026-11-10\n"
    load(town, market_csv.METERS, exchange, premises.apply_meters, 4)
    assert [one.meter_number for one in ask(town, clock, told_of.METERS).told] == ["M2", "M9"]
    assert load(town, market_csv.METERS, METERS, premises.apply_meters, 5).unchanged == 2
    load(town, market_csv.METERS, METERS.replace("2.08", "2.09"), premises.apply_meters, 6)
    assert [one.meter_number for one in ask(town, clock, told_of.METERS).told] == ["M2", "M9"]
    with town.read() as connection:
        row = connection.execute(select(meter).where(meter.c.meter_number == "M1")).one()
    assert (row.removed_on, row.attributes["firmware_version"]) == (date(2026, 11, 10), "2.09")


def test_bad_attributes_are_rejected_by_row_u4() -> None:
    text = METERS.replace(",Y,", ",Perhaps,")
    first, second = csv_layout.read(BytesIO(text.encode()), market_csv.METERS)
    assert isinstance(first, csv_layout.RowReject)
    assert (first.code, first.column) == ("BAD_VALUE", "DG_CHANNEL")
    assert isinstance(second, market_csv.MeterRow)


def test_who_was_told_of_what_is_in_the_audit_log_p7(town, clock) -> None:
    ask(town, clock, told_of.PREMISES)
    ask(town, clock, told_of.METERS, ESIIDS[2:])
    with town.read() as connection:
        lines = connection.execute(select(audit_log.c.event, audit_log.c.object, audit_log.c.details)).all()
    assert [tuple(line) for line in lines] == [
        ("premise:information:shown", "", {"told": 2, "withheld": 1}),
        ("meter:information:shown", f"esiid:{ESIIDS[2]}", {"told": 1, "withheld": 0}),
    ]


@pytest.mark.parametrize("subject", [told_of.PREMISES, told_of.METERS], ids=["premises", "meters"])
def test_a_regulator_is_told_with_a_stated_reason_that_is_audited_r20(town, clock, subject) -> None:
    regulator = Who(kind="REG", duns="555555555", duns_numbers=("555555555",))
    with pytest.raises(StatedReasonMissingError):
        ask(town, clock, subject, who=regulator)
    assert ask(town, clock, subject, who=regulator, reason="Complaint 26-1042").told
    with town.read() as connection:
        (line,) = connection.scalars(select(audit_log.c.details).where(audit_log.c.event == subject.event.value))
    assert line["reason"] == "Complaint 26-1042"
