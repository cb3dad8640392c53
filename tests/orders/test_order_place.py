"""Accepting an order: authorised per ESI ID and day, planned whole, in one transaction (R3, R4, R5)."""

from __future__ import annotations

from datetime import date

import pytest
from order_market import REP, Market, esiid
from sqlalchemy import func, select, update

from smt_ws.orders import plan
from smt_ws.orders.errors import (
    DateInFutureError,
    NoEsiidsError,
    OpenPgpCertificateMissingError,
    TooManyEsiidsError,
)
from smt_ws.orders.tables import order_part, report_order
from smt_ws.parties.tables import company
from smt_ws.store.tables import audit_log


def test_an_order_is_there_whole_when_it_is_accepted(market: Market) -> None:
    market.add_premises(range(12))
    market.load_days(range(12), date(2026, 11, 1), date(2026, 11, 10), number=1)
    placed = market.order([esiid(n) for n in range(12)])
    assert (placed.esiids_asked, placed.esiids_refused) == (12, 0)
    order = market.row(placed.order_number)
    assert (order.status, order.days_asked, order.as_of_load) == ("Pending", 120, 1)
    parts = market.parts(placed.order_number)
    assert [(part.kind, part.stage, part.days_planned, part.esiids) for part in parts] == [
        ("data", 0, 50, 5),
        ("data", 0, 50, 5),
        ("data", 0, 20, 2),
        ("exceptions", 1, 0, 0),
        ("remarks", 1, 0, 0),
        ("manifest", 2, 0, 0),
    ]
    assert len({part.file_name for part in parts}) == 6
    assert all(part.file_name.endswith(f".{REP}.asc") for part in parts)
    assert parts[0].file_name.startswith("IntervalMeterUsage20261120090000000")  # 09:00 in Texas
    named = [name for part in parts[:3] for name in plan.unpack_slices(part.slices).esiids]
    assert named == [esiid(n) for n in range(12)]


def test_bad_esiids_are_exceptions_never_a_lost_order_r5(market: Market) -> None:
    market.add_premises(range(2))
    market.add_premises(range(2, 3), served_from=date(2026, 11, 6))
    placed = market.order([esiid(0), "12,\n3", esiid(0), esiid(77), esiid(2)])
    assert (placed.esiids_asked, placed.esiids_refused) == (5, 3)
    refused = plan.unpack_exceptions(market.row(placed.order_number).exceptions)
    assert refused.by_code() == {
        "ESIID_MALFORMED": 10,
        "ESIID_REPEATED": 10,
        "ESIID_UNKNOWN": 10,
        "BEFORE_SERVICE": 5,
    }
    assert dict(zip(refused.positions.tolist(), refused.esiids, strict=True)) == {
        1: "12,\n3",
        2: esiid(0),
        3: esiid(77),
        4: esiid(2),
    }
    assert sum(part.days_planned for part in market.parts(placed.order_number)) == 15


def test_an_order_of_which_nothing_may_be_seen_is_accepted(market: Market) -> None:
    market.add_premises(range(3))
    placed = market.order([esiid(n) for n in range(3)], who=market.other)
    assert placed.esiids_refused == 3
    assert [part.kind for part in market.parts(placed.order_number)] == ["exceptions", "remarks", "manifest"]


@pytest.mark.parametrize(
    ("esiids", "end", "error"),
    [
        ([], "11/10/2026", NoEsiidsError),
        (["1"] * 50_001, "11/10/2026", TooManyEsiidsError),
        (["1"], "11/21/2026", DateInFutureError),
    ],
)
def test_a_refused_request_leaves_nothing(market: Market, esiids: list[str], end: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        market.order(esiids, end=end)
    with market.store.read() as connection:
        for table in (report_order, order_part, audit_log):
            assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_today_is_the_operating_day_in_texas_not_in_utc(market: Market) -> None:
    from datetime import UTC, datetime

    market.hub.clock.moment = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)  # 23:30 on the 20th  # type: ignore[attr-defined]
    with pytest.raises(DateInFutureError):
        market.order([esiid(1)], end="11/21/2026")


def test_a_company_without_an_openpgp_certificate_is_told_before_anything_is_built_p4(market: Market) -> None:
    with market.store.write() as connection:
        connection.execute(update(company).values(openpgp_certificate=None))
    with pytest.raises(OpenPgpCertificateMissingError):
        market.order([esiid(1)])


def test_acceptance_is_audited_with_the_certificate_p7(market: Market) -> None:
    placed = market.order([esiid(1)])
    with market.store.read() as connection:
        (line,) = connection.execute(select(audit_log)).all()
    assert (line.event, line.object) == ("order:place:accepted", f"order:{placed.order_number}")
    assert line.certificate_sha256 == market.rep.tls_sha256
    assert line.details["esiids"] == 1
