"""``smt-ws trace`` and ``smt-ws why``: of every figure where it comes from, of every refusal why, on both stores."""

from __future__ import annotations

from datetime import date

from click.testing import CliRunner, Result
from order_market import OTHER_REP, REP, Market, esiid
from sqlalchemy import insert, update
from test_order_build import build_all

from smt_ws.cli.trace import trace
from smt_ws.cli.why import why
from smt_ws.orders.trace import files_with
from smt_ws.usage.rules import flags_of
from smt_ws.usage.tables import interval_day, monthly_bill, register_read
from smt_ws.usage.trace import trace as trace_day

DAY = date(2026, 11, 5)


def run(market: Market, command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments], obj=market.hub, env={"COLUMNS": "300"})


def fill(market: Market) -> int:
    """Two versions of a day, flagged, read and billed; an order that was built between the two."""
    market.add_premises(range(3))
    market.load_days(range(2), date(2026, 11, 1), date(2026, 11, 8), number=1, wh=250)
    order = market.order([esiid(n) for n in range(3)]).order_number
    assert "data" in build_all(market)
    market.load_days(range(1), DAY, DAY, number=2, wh=260, statuses=b"E" * 96)
    key = market.premises[esiid(0)]
    with market.store.write() as connection:
        connection.execute(
            update(interval_day)
            .where(interval_day.c.premise_id == key, interval_day.c.operating_day == DAY)
            .values(flags=flags_of(["ESTIMATE_REPLACES_ACTUAL"]))
        )
        connection.execute(
            insert(register_read).values(
                premise_id=key, channel=4, operating_day=DAY, load_number=2,
                start_wh=1_000, stop_wh=26_000, usage_wh=25_000, status="A",
            )
        )  # fmt: skip
        connection.execute(
            insert(monthly_bill).values(
                premise_id=key, first_day=date(2026, 11, 1), last_day=date(2026, 11, 8), load_number=2,
                cancelled=False, actual_wh=194_000,
            )
        )  # fmt: skip
    return order


def test_a_trace_has_every_version_with_its_file_and_flags_and_the_sums_side_by_side(market: Market) -> None:
    fill(market)
    with market.store.read() as connection:
        found = trace_day(connection, esiid(0), DAY)
        assert trace_day(connection, "10443720999999999", DAY) is None
    assert found is not None
    assert (found.place.rep_duns, [one[0] for one in found.place.meters]) == ((REP,), ["M0"])
    first, second = found.days
    assert (first.origin.file_name, first.origin.load_number, first.origin.replaced_by) == ("1.lse", 1, 2)
    assert (first.actual, first.estimated, first.sum_wh, first.flags) == (96, 0, 24_000, ())
    assert (second.origin.load_number, second.origin.replaced_by) == (2, None)
    assert (second.actual, second.estimated, second.sum_wh) == (0, 96, 24_960)
    assert second.flags == ("ESTIMATE_REPLACES_ACTUAL",)
    (read,) = found.reads
    assert (read.start_wh, read.stop_wh, read.usage_wh) == (1_000, 26_000, 25_000)
    (bill,) = found.bills
    # 1 November has 100 intervals (R12)
    assert (bill.actual_wh, bill.interval_wh, bill.interval_days) == (194_000, 25_000 + 6 * 24_000 + 24_960, 8)
    assert (bill.register_wh, bill.register_days) == (25_000, 1)


def test_a_trace_names_the_files_that_carried_the_day_and_those_that_could_not(market: Market) -> None:
    order = fill(market)
    with market.store.read() as connection:
        (carried,) = files_with(connection, premise_id=market.premises[esiid(0)], day=DAY)
        assert (carried.order_number, carried.duns, carried.outcome) == (order, REP, "carried")
        assert (carried.as_of_load, carried.file_name in market.visible()) == (1, True)
        (missing,) = files_with(connection, premise_id=market.premises[esiid(0)], day=date(2026, 11, 9))
        assert missing.outcome == "missing"
        (never,) = files_with(connection, premise_id=market.premises[esiid(2)], day=DAY)
        assert never.outcome == "missing"
        assert list(files_with(connection, premise_id=market.premises[esiid(0)], day=date(2026, 10, 9))) == []


def test_the_command_prints_it_all(market: Market) -> None:
    order = fill(market)
    shown = run(market, trace, esiid(0), DAY)
    assert shown.exit_code == 0, shown.output
    for text in ("1.lse", "2.lse", "ESTIMATE_REPLACES_ACTUAL", "24.960", "25.000", "194.000", f"{order}-", "carried"):
        assert text in shown.output, text
    assert "-0.040" in shown.output, "intervals - register"
    unknown = run(market, trace, "10443720999999999", DAY)
    assert unknown.exit_code == 1
    assert "no premise" in unknown.output
    assert run(market, trace, esiid(0), "yesterday").exit_code == 2


def test_why_says_whether_a_company_may_see_a_day_and_why_there_is_no_data(market: Market) -> None:
    fill(market)
    seen = run(market, why, REP, esiid(0), DAY)
    assert (seen.exit_code, "may see it" in seen.output, "96 intervals" in seen.output) == (0, True, True)
    refused = run(market, why, OTHER_REP, esiid(0), DAY)
    assert (refused.exit_code, "NO_AGREEMENT" in refused.output) == (1, True)
    late = run(market, why, REP, esiid(2), DAY)
    assert late.exit_code == 1
    assert "but there is no data: GAP" in late.output
    unknown = run(market, why, REP, "10443720999999999", DAY)
    assert (unknown.exit_code, "ESIID_UNKNOWN" in unknown.output) == (1, True)
