"""``smt-ws trace`` and ``smt-ws why``: of every figure where it comes from, of every refusal why, on both stores."""

from __future__ import annotations

from datetime import date, timedelta

from click.testing import CliRunner, Result
from order_market import OTHER_REP, REP, Market, esiid
from sqlalchemy import insert, update
from test_order_build import build_all

from smt_ws.cli.trace import trace
from smt_ws.cli.why import why
from smt_ws.orders.trace import answers_with, files_with
from smt_ws.parties import companies
from smt_ws.parties.rules import ENERGY_DATA
from smt_ws.parties.tables import grants
from smt_ws.store import audit
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


def grant(market: Market, source: str, first: date, last: date | None, **more: object) -> None:
    """The other REP is shown home 0 by an agreement."""
    with market.store.write() as connection:
        values = {
            "id": int(source[-1]), "premise_id": market.premises[esiid(0)], "company_id": market.other.company_id,
            "scope": ENERGY_DATA, "from_day": first, "to_day": last, "source": source,
            "granted_at": market.hub.clock.now(),
        }  # fmt: skip
        connection.execute(insert(grants).values(values | more))


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
    assert "intervals - register            -0.040\n" in shown.output
    assert "Thursday 5 November 2026" in shown.output
    assert max(map(len, shown.output.split("\n"))) < 120, "one version or file a paragraph, whatever the window"
    unknown = run(market, trace, "10443720999999999", DAY)
    assert unknown.exit_code == 1
    assert "no premise" in unknown.output
    assert run(market, trace, esiid(0), "yesterday").exit_code == 2


def test_an_answer_given_at_once_is_a_report_too(market: Market) -> None:
    fill(market)
    key = market.premises[esiid(0)]
    with market.store.write() as connection:
        for first, last in (("2026-11-01", "2026-11-04"), ("2026-11-04", "2026-11-06")):
            audit.record(
                connection, audit.Event.USAGE_ANSWERED, actor="company:7", at=market.hub.clock.now(),
                object=f"premise:{key}",
                details={
                    "report": "interval", "format": "CSV", "first_day": first, "last_day": last,
                    "days_delivered": 2, "days_excepted": 1,
                },
            )  # fmt: skip
    with market.store.read() as connection:
        (answer,) = answers_with(connection, premise_id=key, day=DAY)
        assert (answer.actor, answer.days_delivered, answer.days_excepted) == ("company:7", 2, 1)
        assert list(answers_with(connection, premise_id=market.premises[esiid(1)], day=DAY)) == []
    assert "answered at once to company:7" in run(market, trace, esiid(0), DAY).output


def test_why_says_whether_a_company_may_see_a_day_and_why_there_is_no_data(market: Market) -> None:
    fill(market)
    seen = run(market, why, REP, esiid(0), DAY)
    assert (seen.exit_code, "may see it" in seen.output, "96 intervals" in seen.output) == (0, True, True)
    assert f"REP of record ({REP}): " in seen.output, "k3: and why"
    refused = run(market, why, OTHER_REP, esiid(0), DAY)
    assert (refused.exit_code, "NO_AGREEMENT" in refused.output) == (1, True)
    assert f"({REP})" in refused.output, "who served it"
    late = run(market, why, REP, esiid(2), DAY)
    assert late.exit_code == 1
    assert "but there is no data: NOT_DELIVERED" in late.output
    unknown = run(market, why, REP, "10443720999999999", DAY)
    assert (unknown.exit_code, "ESIID_UNKNOWN" in unknown.output) == (1, True)


def test_why_tells_the_channel_that_is_missing_of_a_day_that_is_there_u9(market: Market) -> None:
    fill(market)
    market.load_days(range(1), DAY - timedelta(days=1), DAY - timedelta(days=1), number=90, channel=1)
    said = run(market, why, REP, esiid(0), DAY)
    assert said.exit_code == 0
    assert "remark: generation, CHANNEL_MISSING" in said.output


def test_k3_why_tells_what_a_company_has_at_the_premise_be_it_open_or_ended(market: Market) -> None:
    fill(market)
    now = market.hub.clock.now()
    grant(market, "agreement:1", date(2026, 11, 1), date(2026, 11, 4))
    grant(market, "agreement:2", date(2026, 11, 5), None, ended_at=now)
    refused = run(market, why, OTHER_REP, esiid(0), DAY)
    assert refused.exit_code == 1
    assert "agreement 1: 2026-11-01 … 2026-11-04, given " in refused.output
    assert "agreement 2: 2026-11-05 … open, given " in refused.output
    assert ", ended " in refused.output
    grant(market, "agreement:3", date(2026, 11, 5), DAY)
    seen = run(market, why, OTHER_REP, esiid(0), DAY)
    assert (seen.exit_code, "agreement 3" in seen.output, "agreement 2" in seen.output) == (0, True, False)


def test_a_suspended_company_gets_nothing_whatever_it_may_see_p10(market: Market) -> None:
    fill(market)
    companies.suspend(market.store, duns=REP, actor="test", clock=market.hub.clock)
    told = run(market, why, REP, esiid(0), DAY)
    assert (told.exit_code, "suspended since" in told.output) == (1, True)
