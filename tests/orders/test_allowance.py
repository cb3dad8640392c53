"""What one company may have at once is a setting, and its refusal says what to do and when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from order_market import esiid, open_market
from sqlalchemy import func, select, update

from smt_ws.orders.cancel import cancel_order
from smt_ws.orders.errors import OpenEsiidsError, OrdersPerDayError
from smt_ws.orders.since import ChangesRequest, request_changes
from smt_ws.orders.tables import report_order


@pytest.fixture
def market(store, store_url, tmp_path, clock):
    """Three orders a day, 10 ESI IDs open."""
    return open_market(store, store_url, tmp_path, clock, orders_per_day=3, open_esiids=10)


def esiids(count):
    return [esiid(n) for n in range(count)]


def test_the_day_in_texas_has_so_many_orders_and_the_next_ones_moment_is_told(market):
    market.hub.clock.moment = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)  # still the 20th in Texas
    for _ in range(3):
        market.order(esiids(1))
    with pytest.raises(OrdersPerDayError) as refused:
        market.order(esiids(1))
    assert "11/21/2026 00:00 CST" in str(refused.value)
    assert refused.value.retry_after == 30 * 60
    assert refused.value.presented == "order number 4 of 11/20/2026"
    # another company has its own
    market.order(esiids(1), who=market.other)
    changes = ChangesRequest(trans_id="t", requestor_id="r", load_mark=0, report_format="CSV", reading_type="A")
    with pytest.raises(OrdersPerDayError), market.store.write() as connection:
        request_changes(connection, market.rep, changes, limits=market.hub.settings.limits, clock=market.hub.clock)
    market.hub.clock.advance(timedelta(minutes=30))
    market.order(esiids(1))


def test_on_the_day_that_has_25_hours_the_next_day_begins_at_its_midnight(market):
    market.hub.clock.moment = datetime(2026, 11, 1, 5, 0, tzinfo=UTC)
    for _ in range(3):
        market.order(esiids(1), "10/01/2026", "10/01/2026")
    with pytest.raises(OrdersPerDayError) as refused:
        market.order(esiids(1), "10/01/2026", "10/01/2026")
    assert refused.value.retry_after == 25 * 3600


def test_esiids_are_open_until_their_order_is_done_or_cancelled(market):
    large = market.order(esiids(8))
    with pytest.raises(OpenEsiidsError) as refused:
        market.order(esiids(3))
    assert refused.value.presented == "3 beside the 8 of orders that are not finished"
    assert refused.value.retry_after > 0
    market.order(esiids(2))
    with market.store.write() as connection:
        cancel_order(connection, market.rep, large.order_number, clock=market.hub.clock, keep=timedelta(days=10))
    market.order(esiids(8))


@pytest.mark.parametrize("status", ["Complete", "Complete with exceptions", "Failed", "Expired"])
def test_a_finished_order_holds_nothing_open(market, status):
    market.order(esiids(10))
    with market.store.write() as connection:
        connection.execute(update(report_order).values(status=status))
    market.order(esiids(10))


def test_a_company_with_nothing_open_may_have_one_order_of_any_size(market):
    market.order(esiids(11))
    with pytest.raises(OpenEsiidsError):
        market.order(esiids(1))


@pytest.mark.parametrize(("size", "error", "fit"), [(1, OrdersPerDayError, 3), (4, OpenEsiidsError, 2)])
def test_orders_of_one_instant_do_not_share_the_last_place(market, size, error, fit):
    begin = Barrier(6)

    def order(_number: int) -> bool:
        begin.wait(180)
        try:
            market.order(esiids(size))
        except error:
            return False
        return True

    with ThreadPoolExecutor(6) as callers:
        taken = list(callers.map(order, range(6)))
    assert sum(taken) == fit
    with market.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(report_order)) == fit
