"""P11: the figures of 004: how many there are of everything, and a week's and a month's activity."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from smt_ws.agreements.tables import agreement, agreement_history
from smt_ws.cli.stats import stats
from smt_ws.han.tables import han_device, han_message
from smt_ws.orders.tables import report_order
from smt_ws.parties.account_tables import account
from smt_ws.parties.tables import company, company_duns, meter, premise
from smt_ws.statistics import Period, statistics
from smt_ws.store import audit
from smt_ws.usage.tables import load

#: The period of document 004: a Monday, its week and its month to date.
DAY = date(2010, 11, 8)
#: The first moments of the week and of the month, in US Central: daylight saving ended in between, on the 7th.
WEEK, MONTH, END = (datetime(2010, 11, day, hour, tzinfo=UTC) for day, hour in ((2, 5), (1, 5), (9, 6)))
INSTANT = timedelta(microseconds=1)
ONCORISH, PECAN = "1039940674000", "111111111"


def filled(table, **values):
    """An insert of *table* with *values* and, for everything else that must be there, something of its type."""
    plain = {
        "String": "x", "Text": "x", "Boolean": False, "LargeBinary": b"x",
        "UtcDateTime": MONTH, "Date": DAY, "JSON": {},
    }  # fmt: skip
    for column in table.c:
        needed = not column.nullable and column.server_default is None and column.autoincrement is not True
        if needed and column.name not in values:
            values[column.name] = plain.get(type(column.type).__name__, 0)
    return insert(table).values(**values)


@pytest.fixture
def counted(store):
    rows = [
        filled(company, id=1, legal_name="Pecan Energy", kind="REP", created_at=MONTH),
        filled(company, id=2, legal_name="Lone Star Wires", kind="TDSP", created_at=MONTH),
        filled(company, id=3, legal_name="Gone", kind="REP", created_at=MONTH, suspended_at=MONTH),
        filled(company_duns, duns=ONCORISH, company_id=2),
    ]
    for number in range(1, 5):
        # the last one's TDSP is registered nowhere
        duns = ONCORISH if number < 4 else "999999999"
        rows.append(filled(premise, id=number, esiid=f"{number:017}", tdsp_duns=duns))
        provisioned = None if number == 3 else DAY
        rows.append(filled(meter, premise_id=number, meter_number="M", installed_on=DAY, provisioned_on=provisioned))
    rows.append(filled(meter, premise_id=1, meter_number="OLD", installed_on=date(2009, 1, 1), removed_on=DAY))
    for number, (state, slot) in enumerate([("Meter Ready", True), ("Device Added", True), ("Device Added", True)], 1):
        rows.append(
            filled(
                han_device, premise_id=number, eui64=f"{number:016}", state=state, holds_slot=slot, company_id=1,
                tdsp_duns=ONCORISH, device_type="DISPLAY",
            )
        )  # fmt: skip
    # within and without: before the month, on its first moment, in the week, on its last moment, after it
    moments = [MONTH - INSTANT, MONTH, WEEK - INSTANT, WEEK, END - INSTANT, END]
    for number, at in enumerate(moments, 1):
        rows += [
            filled(report_order, number=number, company_id=1, report="interval", accepted_at=at, completed_at=at,
                   days_delivered=10**number, status="Complete"),
            filled(load, number=number, kind="lse", state="loaded", finished_at=at, loaded=100, replaced=1),
            filled(agreement, number=f"1101100{number:05}", company_id=1, kind="one_time", status="Active",
                   language="en", customer_kind="residential", initiated_at=at),
            filled(agreement_history, number=f"1101100{number:05}", at=at, from_status="Pending", to_status="Active"),
            filled(agreement_history, number=f"1101100{number:05}", at=at, from_status=None, to_status="Pending"),
            filled(agreement_history, number=f"1101100{number:05}", at=at, from_status="Active", to_status="Active"),
            filled(account, email_key=f"{number}", kind="residential", language="en", authorization_code=f"{number}",
                   confirmed_at=at),
            filled(han_message, company_id=1, category="STM", accepted_at=at, premises=7),
        ]  # fmt: skip
    with store.write() as connection:
        for row in rows:
            connection.execute(row)
        for at in moments:
            audit.record(connection, audit.Event.FILE_FETCHED, actor="company:1", at=at)
    return store


def test_the_period_is_that_of_document_004():
    period = Period(DAY)
    assert (period.week_from, period.month_from, period.begins, period.ends) == (
        date(2010, 11, 2), date(2010, 11, 1), MONTH, END,
    )  # fmt: skip
    assert Period(date(2010, 11, 3)).begins == datetime(2010, 10, 28, 5, tzinfo=UTC), "the week begins before the month"


def test_a_week_holds_its_own_moments_and_a_month_its_own(counted):
    with counted.read() as connection:
        found = statistics(connection, day=DAY)
    happened = {(one.section, one.name): (one.week, one.month) for one in found.activity}
    assert happened == {
        ("Loads", "lse files, loaded"): (2, 4),
        ("Loads", "lse records"): (202, 404),
        ("Orders", "REP, ADHOC, interval"): (2, 4),
        ("Orders", "ESI-ID-days delivered"): (110_000, 111_100),
        ("Agreements", "one_time initiated"): (2, 4),
        ("Agreements", "now Active"): (2, 4),
        ("Customers", "residential accounts confirmed"): (2, 4),
        ("HAN messages", "STM, by meters"): (14, 28),
        ("Files on the FTPS site", "fetched by companies"): (2, 4),
    }


def test_what_stands_is_counted_by_its_owner_and_state(counted):
    with counted.read() as connection:
        found = statistics(connection, day=DAY)
    stands = {(one.section, one.group, one.name): one.count for one in found.standing}
    assert stands == {
        ("Meters", "999999999", "provisioned"): 1,
        ("Meters", "Lone Star Wires", "installed, not provisioned"): 1,
        ("Meters", "Lone Star Wires", "provisioned"): 2,
        ("Companies", "REP", "active"): 1,
        ("Companies", "REP", "suspended"): 1,
        ("Companies", "TDSP", "active"): 1,
        ("Customers", "residential", "confirmed"): 6,
        ("HAN devices", "Lone Star Wires", "Device Added"): 2,
        ("HAN devices", "Lone Star Wires", "Meter Ready"): 1,
        ("Agreements", "one_time", "Active"): 6,
        ("Orders", "ADHOC", "Complete"): 6,
    }


def test_on_the_terminal_and_for_programs(counted, clock):
    hub = SimpleNamespace(store=counted, clock=clock, settings=SimpleNamespace(support_contact="help@hub.example"))
    shown = CliRunner().invoke(stats, ["--day", "2010-11-08"], obj=hub)
    assert shown.exit_code == 0, shown.output
    lines = [" ".join(line.split()) for line in shown.output.splitlines()]
    assert "HAN devices 3" in lines
    assert "Lone Star Wires 3" in lines
    assert "2010-11-02 to 2010-11-08 Week Month to date" in lines
    assert "ESI-ID-days delivered 110,000 111,100" in lines
    assert "Support: help@hub.example" in lines
    told = json.loads(CliRunner().invoke(stats, ["--json"], obj=hub).output)
    assert told["day"] == "2026-11-20"
    assert told["activity"] == {}
    assert {"group": "TDSP", "name": "active", "count": 1} in told["standing"]["Companies"]


def test_an_empty_hub_has_figures_too(store):
    with store.read() as connection:
        found = statistics(connection, day=DAY)
    assert (found.standing, found.activity) == ((), ())
