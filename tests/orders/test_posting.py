"""The daily posting (R8): what is new, to everybody subscribed, once; late and corrected days included."""

from __future__ import annotations

import csv
import json
import zipfile
from datetime import date, timedelta
from io import BytesIO, StringIO

import pytest
from order_market import OTHER_REP, REP, TDSP, Market, esiid, keys
from sqlalchemy import insert, select, update

from adapters import lse_read, openpgp
from adapters.lse import LseRecord
from smt_ws.orders import build, claim, posting
from smt_ws.orders.retention import expire_due
from smt_ws.orders.tables import order_part, report_order, subscription
from smt_ws.parties.tables import company, company_duns, grants, meter, premise, rep_of_record
from smt_ws.usage.tables import register_read

OTHER_TDSP = "957877905"
CSP = "555555555"
TODAY = date(2026, 11, 20)
KEEP = timedelta(days=10)


def post(market: Market, day: date = TODAY, *, of: str = "INTERVAL") -> posting.Posted:
    """A posting of one kind of data, as if nobody had subscribed to the other."""
    with market.store.write() as connection:
        now = market.hub.clock.now()
        posting.ensure_defaults(connection, now=now)
        connection.execute(update(subscription).where(subscription.c.data_type != of).values(ended_at=now))
    return posting.post_daily(market.store, for_date=day, clock=market.hub.clock, limits=market.hub.settings.limits)


def build_all(market: Market) -> None:
    while (
        mine := claim.claim_part(
            market.store, worker="w", lease=timedelta(minutes=1), attempts=3, clock=market.hub.clock, keep=KEEP
        )
    ) is not None:
        build.build_part(market.hub, mine)


def orders(market: Market):
    with market.store.read() as connection:
        return connection.execute(select(report_order).order_by(report_order.c.number)).all()


def subscriptions(market: Market):
    with market.store.read() as connection:
        return connection.execute(select(subscription).order_by(subscription.c.duns, subscription.c.data_type)).all()


def subscribe(market: Market, format_: str, **values) -> None:
    """Change the format of the default subscriptions, made where there are none yet."""
    with market.store.write() as connection:
        posting.ensure_defaults(connection, now=market.hub.clock.now())
        connection.execute(update(subscription).values(format=format_, **values))


def opened(market: Market, part, duns: str = REP) -> tuple[str, bytes]:
    secret, _ = keys()
    source = market.hub.settings.ftps.root / duns / "daily" / part.file_name
    plain = market.hub.settings.work_folder / "opened"
    plain.unlink(missing_ok=True)
    openpgp.decrypt_file(source, plain, secret)
    with zipfile.ZipFile(BytesIO(plain.read_bytes())) as archive:
        (member,) = archive.namelist()
        return member, archive.read(member)


def days_in(content: bytes) -> set[tuple[str, str]]:
    return {(row["ESIID"], row["USAGE_DATE"]) for row in csv.DictReader(StringIO(content.decode()))}


def data_parts(market: Market, number: int):
    return [part for part in market.parts(number) if part.kind == "data"]


def move(market: Market, number: int, tdsp: str) -> None:
    with market.store.write() as connection:
        connection.execute(update(premise).where(premise.c.esiid == esiid(number)).values(tdsp_duns=tdsp))


def test_every_rep_gets_a_file_a_tdsp_with_what_is_new_r8(market: Market) -> None:
    market.add_premises(range(6))
    move(market, 5, OTHER_TDSP)
    market.load_days(range(6), date(2026, 11, 18), date(2026, 11, 19), number=1)
    subscribe(market, "CSV")
    done = post(market)
    # the other REP serves nobody
    assert (done.orders, done.files, done.esiid_days, done.quiet, done.held_back) == (1, 2, 12, 1, 0)
    build_all(market)
    (order,) = orders(market)
    assert (order.status, order.service_type, order.folder, order.duns) == ("Complete", "SUBSCRIPTION", "daily", REP)
    assert (order.days_asked, order.days_delivered, order.days_excepted, order.from_load) == (12, 12, 0, 0)
    first, second = data_parts(market, order.number)
    assert (first.tdsp_duns, second.tdsp_duns) == (TDSP, OTHER_TDSP)
    both = ("11/18/2026", "11/19/2026")
    assert days_in(opened(market, first)[1]) == {(esiid(n), day) for n in range(5) for day in both}
    assert days_in(opened(market, second)[1]) == {(esiid(5), day) for day in both}
    assert market.visible() == []
    (manifest,) = [part for part in market.parts(order.number) if part.kind == "manifest"]
    told = json.loads(opened(market, manifest)[1])
    assert (told["afterLoad"], told["asOfLoad"]) == (0, 1)


def test_the_next_posting_holds_late_and_corrected_days_and_nothing_twice_r8(market: Market) -> None:
    market.add_premises(range(3))
    market.load_days(range(2), date(2026, 11, 18), date(2026, 11, 19), number=1)
    subscribe(market, "CSV")
    post(market)
    market.load_days(range(2, 3), date(2026, 11, 18), date(2026, 11, 18), number=2)  # late
    market.load_days(range(1), date(2026, 11, 18), date(2026, 11, 18), number=3, wh=999)  # corrected
    market.hub.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    assert post(market, TODAY + timedelta(days=1)).esiid_days == 2
    market.hub.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    assert post(market, TODAY + timedelta(days=2)).orders == 0
    build_all(market)
    _, second = orders(market)
    (part,) = data_parts(market, second.number)
    content = opened(market, part)[1]
    assert days_in(content) == {(esiid(0), "11/18/2026"), (esiid(2), "11/18/2026")}
    assert b",0.999," in content


def test_a_posting_is_idempotent_for_its_date_r8(market: Market) -> None:
    market.add_premises(range(2))
    market.load_days(range(2), date(2026, 11, 19), date(2026, 11, 19), number=1)
    post(market)
    market.load_days(range(2), date(2026, 11, 18), date(2026, 11, 18), number=2)
    assert post(market) == posting.Posted()
    assert len(orders(market)) == 1
    assert {row.posted_load for row in subscriptions(market) if row.ended_at is None} == {1}


def test_a_correction_while_the_posting_is_built_is_in_the_next_one(market: Market) -> None:
    market.add_premises(range(2))
    market.load_days(range(2), date(2026, 11, 19), date(2026, 11, 19), number=1, wh=250)
    subscribe(market, "CSV")
    post(market)
    market.load_days(range(2), date(2026, 11, 19), date(2026, 11, 19), number=2, wh=999)
    build_all(market)
    content = opened(market, data_parts(market, orders(market)[0].number)[0])[1]
    assert b",0.250," in content
    assert b",0.999," not in content
    assert post(market, TODAY + timedelta(days=1)).esiid_days == 2


def test_only_days_that_the_rep_served_r5(market: Market) -> None:
    market.add_premises(range(1), served_to=date(2026, 11, 18))
    with market.store.write() as connection:
        connection.execute(
            insert(rep_of_record).values(
                premise_id=market.premises[esiid(0)], from_day=date(2026, 11, 19), duns=OTHER_REP, load_number=0
            )
        )
    market.load_days(range(1), date(2026, 11, 17), date(2026, 11, 19), number=1)
    subscribe(market, "CSV")
    assert post(market).esiid_days == 3
    build_all(market)
    of = {order.duns: order for order in orders(market)}
    assert (of[REP].first_day, of[REP].last_day) == (date(2026, 11, 17), date(2026, 11, 18))
    assert (of[OTHER_REP].first_day, of[OTHER_REP].last_day) == (date(2026, 11, 19), date(2026, 11, 19))
    assert days_in(opened(market, data_parts(market, of[OTHER_REP].number)[0], OTHER_REP)[1]) == {
        (esiid(0), "11/19/2026")
    }


def test_lse_is_posted_under_the_tdsps_name_one_record_a_channel(market: Market) -> None:
    market.add_premises(range(30))
    market.load_days(range(30), date(2026, 11, 1), date(2026, 11, 1), number=1)
    market.load_days(range(30), date(2026, 11, 1), date(2026, 11, 1), number=2, channel=1)
    post(market)
    build_all(market)
    (order,) = orders(market)
    assert (order.format, order.status, order.days_delivered) == ("LSE", "Complete", 30)
    # 60 records at 50 a file; both channels of a day stand in one file
    parts = data_parts(market, order.number)
    assert [part.records for part in parts] == [50, 10]
    for position, part in enumerate(parts, start=1):
        member, content = opened(market, part)
        assert member == f"{TDSP}IntervalData20261120090000{position:03}.lse"
        assert part.file_name.startswith("IntervalMeterUsage")
        assert part.file_name.endswith(f".LSE.{REP}.asc")
        records = list(lse_read.read(BytesIO(content)))
        assert all(isinstance(record, LseRecord) and len(record.values) == 100 for record in records)
        assert {(record.sender, record.rep) for record in records} == {(TDSP, REP)}
        assert len(records) == part.records


def test_a_correction_of_one_channel_brings_that_channel_alone(market: Market) -> None:
    market.add_premises(range(1))
    for number, channel in ((1, 4), (2, 1)):
        market.load_days(range(1), date(2026, 11, 19), date(2026, 11, 19), number=number, channel=channel)
    post(market)
    market.load_days(range(1), date(2026, 11, 19), date(2026, 11, 19), number=3, channel=1, wh=999)
    subscribe(market, "CSV")
    post(market, TODAY + timedelta(days=1))
    build_all(market)
    first, second = orders(market)
    assert [data_parts(market, order.number)[0].days_delivered for order in (first, second)] == [1, 1]
    assert b"Consumption" not in opened(market, data_parts(market, second.number)[0])[1].split(b"\n", 1)[1]


def test_register_reads_are_posted_as_one_daily_file_a_tdsp_r8(market: Market) -> None:
    market.add_premises(range(4))
    market.load_days(range(4), date(2026, 11, 19), date(2026, 11, 19), number=1)
    with market.store.write() as connection:
        connection.execute(
            insert(register_read),
            [
                {
                    "premise_id": market.premises[esiid(n)], "channel": 4, "operating_day": date(2026, 11, 19),
                    "load_number": 1, "start_wh": 1000, "stop_wh": 25000, "usage_wh": 24000, "status": "A",
                }
                for n in range(3)
            ],
        )  # fmt: skip
    done = post(market, of="DAILY")
    assert (done.orders, done.files, done.esiid_days) == (1, 1, 4)
    build_all(market)
    (order,) = orders(market)
    assert (order.status, order.folder, order.days_delivered) == ("Complete", "daily", 4)
    (part,) = data_parts(market, order.number)
    assert part.file_name.startswith("DailyMeterUsage")
    rows = list(csv.DictReader(StringIO(opened(market, part)[1].decode())))
    assert [(row["ESIID"], row["READ_DATE"], row["USAGE_KWH"]) for row in rows] == [
        (esiid(n), "11/19/2026", "24.000") for n in range(4)
    ]
    assert [row["END_READING"] for row in rows] == ["25.000"] * 3 + [""]


def test_a_first_posting_goes_back_one_day_not_to_the_beginning(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 1, 1), date(2026, 3, 1), number=1)
    market.hub.clock.advance(timedelta(hours=30))  # type: ignore[attr-defined]
    market.load_days(range(1), date(2026, 11, 19), date(2026, 11, 20), number=2)
    assert post(market).esiid_days == 2


def test_a_third_party_gets_what_agreements_open_and_what_both_open_comes_once(market: Market) -> None:
    market.add_premises(range(3))
    now = market.hub.clock.now()
    with market.store.write() as connection:
        inserted = connection.execute(
            insert(company).values(
                legal_name="Third Party",
                kind="CSP",
                email="csp@example.com",
                openpgp_certificate=keys()[1],
                created_at=now,
            )
        ).inserted_primary_key
        assert inserted is not None
        connection.execute(insert(company_duns).values(duns=CSP, company_id=inserted[0], created_at=now))
        connection.execute(
            insert(subscription).values(
                company_id=inserted[0], duns=CSP, kind="CSP", data_type="INTERVAL", format="CSV", by_default=False,
                started_at=now, posted_load=0,
            )
        )  # fmt: skip
        opening = {
            "company_id": inserted[0],
            "scope": "energy_data",
            "from_day": date(2026, 11, 19),
            "granted_at": now,
            "source": "agreement:1",
        }
        for number, (who, extra) in enumerate(
            [
                (0, {}),
                (0, {"from_day": date(2026, 11, 18)}),
                (1, {"ended_at": now}),
                (2, {"scope": "device"}),
            ]
        ):
            connection.execute(
                insert(grants).values(opening | extra | {"premise_id": market.premises[esiid(who)], "id": number})
            )
    market.load_days(range(3), date(2026, 11, 18), date(2026, 11, 19), number=1)
    post(market)
    build_all(market)
    (order,) = [order for order in orders(market) if order.duns == CSP]
    (part,) = data_parts(market, order.number)
    assert days_in(opened(market, part, CSP)[1]) == {(esiid(0), "11/18/2026"), (esiid(0), "11/19/2026")}


@pytest.mark.parametrize("why", [{"suspended_at": True}, {"openpgp_certificate": None}])
def test_what_cannot_be_given_now_waits_behind_its_mark(market: Market, why: dict) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 19), date(2026, 11, 19), number=1)
    values = {name: market.hub.clock.now() if value else value for name, value in why.items()}
    with market.store.write() as connection:
        connection.execute(update(company).where(company.c.id == market.rep.company_id).values(**values))
    assert (post(market).orders, post(market).held_back) == (0, 1)
    with market.store.write() as connection:
        connection.execute(update(company).values(suspended_at=None, openpgp_certificate=keys()[1]))
    assert post(market, TODAY + timedelta(days=1)).esiid_days == 1


def test_posted_files_leave_after_ten_days_r8(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 19), date(2026, 11, 19), number=1)
    post(market)
    build_all(market)
    folder = market.hub.settings.ftps.root / REP / "daily"
    assert len(list(folder.iterdir())) == 2
    market.hub.clock.advance(timedelta(days=9, hours=23))  # type: ignore[attr-defined]
    assert expire_due(market.store, market.hub.settings.ftps.root, clock=market.hub.clock) == 0
    market.hub.clock.advance(timedelta(hours=1))  # type: ignore[attr-defined]
    assert expire_due(market.store, market.hub.settings.ftps.root, clock=market.hub.clock) == 1
    assert list(folder.iterdir()) == []


def test_an_unfinished_load_holds_the_mark_back(market: Market) -> None:
    """A load number below the mark must never appear later: the mark is the newest whole load."""
    market.add_premises(range(2))
    market.load_days(range(1), date(2026, 11, 19), date(2026, 11, 19), number=1)
    market.load_days(range(1, 2), date(2026, 11, 19), date(2026, 11, 19), number=3)
    with market.store.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO load (number, kind, tdsp_duns, file_name, sha256, state, started_at)"
            " VALUES (2, 'lse', '1', 'x', 'x', 'loading', '2026-11-20 14:00:00')"
        )
    assert post(market).esiid_days == 1
    assert {row.posted_load for row in subscriptions(market) if row.ended_at is None} == {1}
    with market.store.write() as connection:
        connection.exec_driver_sql("UPDATE load SET state = 'loaded' WHERE number = 2")
    assert post(market, TODAY + timedelta(days=1)).esiid_days == 1


def test_a_posting_that_dies_between_two_companies_goes_on_where_it_stopped(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.add_premises(range(1))
    with market.store.write() as connection:
        key = connection.execute(
            insert(premise).values(esiid=esiid(77), tdsp_duns=TDSP, load_number=0)
        ).inserted_primary_key
        assert key is not None
        market.premises[esiid(77)] = key[0]
        connection.execute(
            insert(meter).values(premise_id=key[0], meter_number="M77", installed_on=date(2020, 1, 1), load_number=0)
        )
        connection.execute(
            insert(rep_of_record).values(premise_id=key[0], from_day=date(2020, 1, 1), duns=OTHER_REP, load_number=0)
        )
    market.load_days(range(1), date(2026, 11, 19), date(2026, 11, 19), number=1)
    market.load_days(range(77, 78), date(2026, 11, 19), date(2026, 11, 19), number=2)
    real, calls = posting.place_changes, []

    def second_fails(connection, fresh, parts, **more):
        calls.append(fresh.duns)
        number = real(connection, fresh, parts, **more)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return number

    monkeypatch.setattr(posting, "place_changes", second_fails)
    with pytest.raises(KeyboardInterrupt):
        post(market)
    assert len(orders(market)) == 1
    monkeypatch.setattr(posting, "place_changes", real)
    assert post(market).orders == 1
    assert {order.duns for order in orders(market)} == {REP, OTHER_REP}
    with market.store.read() as connection:
        assert len(connection.execute(select(order_part).where(order_part.c.kind == "data")).all()) == 2
