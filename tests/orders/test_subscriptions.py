"""Subscriptions to the daily posting, changes since a load mark, and missing usage (R8, R13, R14)."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from io import StringIO
from threading import Barrier

import pytest
from order_market import OTHER_REP, REP, Market, Who, esiid
from sqlalchemy import insert, select
from test_posting import post

from smt_ws.orders import build, claim, errors, posting
from smt_ws.orders.missing_usage import MissingUsage, missing_usage, note_shown
from smt_ws.orders.since import ChangesRequest, PlacedChanges, request_changes
from smt_ws.orders.subscriptions import (
    Subscribed,
    SubscriptionRequest,
    end_subscription,
    my_subscriptions,
    new_subscription,
)
from smt_ws.orders.tables import subscription
from smt_ws.parties.errors import StatedReasonMissingError
from smt_ws.parties.tables import rep_of_record
from smt_ws.store.idempotency import answer_once
from smt_ws.store.tables import audit_log

CSP = Who(1, "CSP", REP, (REP,))
TODAY = date(2026, 11, 20)


def subscribe(
    market: Market, *, who: Who | None = None, data_type: str = "INTERVAL", format_: str = "CSV", months=None
) -> Subscribed:
    with market.store.write() as connection:
        return new_subscription(
            connection,
            who or market.rep,  # type: ignore[arg-type]
            SubscriptionRequest("t", "svc", data_type, format_, months),
            limits=market.hub.settings.limits,
            clock=market.hub.clock,
        )


def mine(market: Market, who: Who | None = None):
    with market.store.write() as connection:
        return my_subscriptions(connection, who or market.rep, clock=market.hub.clock)  # type: ignore[arg-type]


def interval(market: Market, who: Who | None = None):
    (one,) = [row for row in mine(market, who) if row.data_type == "INTERVAL"]
    return one


def end(market: Market, number: int, who: Who | None = None) -> None:
    with market.store.write() as connection:
        end_subscription(connection, who or market.rep, number, clock=market.hub.clock)  # type: ignore[arg-type]


def changes(market: Market, mark: int, who: Who | None = None, **more: str) -> PlacedChanges:
    with market.store.write() as connection:
        return request_changes(
            connection,
            who or market.rep,  # type: ignore[arg-type]
            ChangesRequest("t", "svc", mark, more.pop("report_format", "CSV"), **more),
            limits=market.hub.settings.limits,
            clock=market.hub.clock,
        )


def built(market: Market, number: int) -> set[tuple[str, str]]:
    """The ESI-ID-days in the files of an order, once all its parts are built."""
    while (
        taken := claim.claim_part(
            market.store,
            worker="w",
            lease=timedelta(minutes=1),
            attempts=3,
            clock=market.hub.clock,
            keep=timedelta(days=10),
        )
    ) is not None:
        build.build_part(market.hub, taken)
    found: set[tuple[str, str]] = set()
    for part in market.parts(number):
        if part.kind == "data" and part.state == "published":
            rows = csv.DictReader(StringIO(market.opened(part.file_name).decode()))
            days = {(row["ESIID"], row["USAGE_DATE"]) for row in rows}
            assert not days & found
            found |= days
    return found


# -- subscriptions


def test_a_rep_is_subscribed_without_asking_r8(market: Market) -> None:
    one = interval(market)
    assert (one.duns, one.data_type, one.report_format, one.by_default, one.ended_at) == (
        REP,
        "INTERVAL",
        "LSE",
        True,
        None,
    )
    assert [(row.data_type, row.report_format) for row in mine(market)] == [("DAILY", "CSV"), ("INTERVAL", "LSE")]
    assert [row.subscription_id for row in mine(market)] == [row.subscription_id for row in mine(market)]
    with pytest.raises(errors.SubscriptionActiveError, match=f"subscription {one.subscription_id}, INTERVAL as LSE"):
        subscribe(market)


def test_changing_the_format_loses_nothing_between(market: Market) -> None:
    market.add_premises(range(2))
    one = interval(market)
    market.load_days(range(2), date(2026, 11, 19), date(2026, 11, 19), number=1)
    end(market, one.subscription_id)
    new = subscribe(market)
    assert new.load_mark == 0
    assert post(market, TODAY).esiid_days == 2


def test_an_ended_subscription_stays_ended_and_gets_nothing(market: Market) -> None:
    market.add_premises(range(1))
    for row in mine(market):
        end(market, row.subscription_id)
    market.load_days(range(1), date(2026, 11, 19), date(2026, 11, 19), number=1)
    done = posting.post_daily(market.store, for_date=TODAY, clock=market.hub.clock, limits=market.hub.settings.limits)
    assert done.orders == 0
    assert all(row.ended_at is not None for row in mine(market))


def test_a_subscription_begun_later_starts_at_the_newest_load(market: Market) -> None:
    one = interval(market)
    end(market, one.subscription_id)
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 19), date(2026, 11, 19), number=1)
    market.hub.clock.advance(timedelta(days=2))  # type: ignore[attr-defined]
    assert subscribe(market).load_mark == 1


def test_only_ones_own_subscriptions_can_be_ended(market: Market) -> None:
    theirs = interval(market, market.other)
    for number in (theirs.subscription_id, 4711, 2**70):
        with pytest.raises(errors.SubscriptionUnknownError):
            end(market, number)
    assert interval(market, market.other).ended_at is None
    end(market, theirs.subscription_id, market.other)
    with pytest.raises(errors.SubscriptionUnknownError):
        end(market, theirs.subscription_id, market.other)


def test_what_cannot_be_subscribed_to_is_refused_by_name(market: Market) -> None:
    with pytest.raises(errors.DataTypeNotAvailableError):
        subscribe(market, data_type="MONTHLY")
    with pytest.raises(errors.FormatNotAvailableError):
        subscribe(market, format_="XML")
    with pytest.raises(errors.HistoryDurationError):
        subscribe(market, months=5)
    with pytest.raises(errors.SubscriptionNotForYouError):
        subscribe(market, who=Who(market.rep.company_id, "TDSP", REP, (REP,)))


def test_history_comes_as_ordinary_orders_of_at_most_50_000_esiids(market: Market) -> None:
    market.add_premises(range(3))
    market.add_premises(range(3, 4), served_from=date(2019, 1, 1), served_to=date(2020, 1, 1))
    market.load_days(range(3), date(2026, 11, 1), date(2026, 11, 19), number=1)
    limited = market.hub.settings.limits.model_copy(update={"esiids_per_request": 2})
    one = interval(market)
    end(market, one.subscription_id)
    with market.store.write() as connection:
        new = new_subscription(
            connection,
            market.rep,  # type: ignore[arg-type]
            SubscriptionRequest("t", "svc", "INTERVAL", "CSV", 3),
            limits=limited,
            clock=market.hub.clock,
        )
    assert [market.row(number).esiids_asked for number in new.orders] == [2, 1]
    order = market.row(new.orders[0])
    assert (order.service_type, order.folder, order.first_day, order.last_day) == (
        "ADHOC",
        "adhoc",
        date(2026, 8, 20),
        date(2026, 11, 19),
    )
    assert len(built(market, new.orders[1])) == 19


def test_beginning_and_ending_are_in_the_audit_log_p7(market: Market) -> None:
    one = interval(market)
    end(market, one.subscription_id)
    new = subscribe(market)
    with market.store.read() as connection:
        lines = connection.execute(
            select(audit_log.c.event, audit_log.c.object).where(audit_log.c.event.like("subscription:%"))
        ).all()
    assert [tuple(line) for line in lines] == [
        ("subscription:end:done", f"subscription:{one.subscription_id}"),
        ("subscription:begin:done", f"subscription:{new.subscription_id}"),
    ]


def test_two_subscriptions_of_one_kind_cannot_be_in_force(market: Market) -> None:
    mine(market)
    row = {
        "company_id": market.rep.company_id, "duns": REP, "kind": "REP", "data_type": "INTERVAL", "format": "CSV",
        "by_default": False, "started_at": market.hub.clock.now(), "posted_load": 0,
    }  # fmt: skip
    with pytest.raises(Exception, match=r"(?i)unique"), market.store.write() as connection:
        connection.execute(insert(subscription).values(row))


# -- changes since a load mark


def test_changes_since_a_mark_are_an_order_and_its_mark_is_the_next_one_r13(market: Market) -> None:
    market.add_premises(range(40))
    market.load_days(range(40), date(2026, 11, 17), date(2026, 11, 18), number=1)
    first = changes(market, 0)
    assert (first.load_mark, first.esiids, first.esiid_days) == (1, 40, 80)
    market.load_days(range(1, 3), date(2026, 11, 18), date(2026, 11, 19), number=2, wh=999)
    second = changes(market, first.load_mark)
    assert (second.load_mark, second.esiid_days) == (2, 4)
    assert len(built(market, first.order_number)) == 80
    assert built(market, second.order_number) == {
        (esiid(n), day) for n in (1, 2) for day in ("11/18/2026", "11/19/2026")
    }
    order = market.row(second.order_number)
    assert (order.status, order.as_of_load, order.from_load, order.folder) == ("Complete", 2, 1, "adhoc")
    assert [part.records is not None for part in market.parts(first.order_number) if part.kind == "data"] == [True] * 2


def test_no_changes_are_an_order_with_a_manifest_alone_r13(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 17), date(2026, 11, 18), number=1)
    none = changes(market, 1)
    assert (none.load_mark, none.esiid_days) == (1, 0)
    assert built(market, none.order_number) == set()
    assert market.row(none.order_number).status == "Complete"
    told = market.manifest()
    assert (told["afterLoad"], told["asOfLoad"], told["files"]) == (1, 1, [])


def test_changes_are_of_days_that_the_caller_may_see_r5(market: Market) -> None:
    market.add_premises(range(1), served_to=date(2026, 11, 17))
    with market.store.write() as connection:
        connection.execute(
            insert(rep_of_record).values(
                premise_id=market.premises[esiid(0)], from_day=date(2026, 11, 18), duns=OTHER_REP, load_number=0
            )
        )
    market.load_days(range(1), date(2026, 11, 16), date(2026, 11, 19), number=1)
    assert changes(market, 0).esiid_days == 2
    assert changes(market, 0, market.other).esiid_days == 2
    tdsp = Who(market.rep.company_id, "TDSP", "1039940674000", ("1039940674000",))
    assert changes(market, 0, tdsp).esiid_days == 4


def test_a_regulator_has_the_changes_of_all_premises_with_a_stated_reason_r20(market: Market) -> None:
    market.add_premises(range(2), served_to=date(2026, 11, 17))
    market.load_days(range(2), date(2026, 11, 16), date(2026, 11, 19), number=1)
    regulator = Who(market.rep.company_id, "REG", REP, (REP,))
    with pytest.raises(StatedReasonMissingError):
        changes(market, 0, regulator)
    ordered = changes(market, 0, regulator, reason="Audit of the market's completeness")
    assert (ordered.esiids, ordered.esiid_days) == (2, 8)
    with market.store.read() as connection:
        (details,) = connection.scalars(select(audit_log.c.details).where(audit_log.c.event == "order:place:accepted"))
    assert details["reason"] == "Audit of the market's completeness"
    # one that states a reason without having to sees no more
    assert changes(market, 0, reason="Audit of the market's completeness").esiid_days == 4


def test_a_regulator_asks_for_missing_usage_with_a_stated_reason_r20(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 10), date(2026, 11, 10), number=1)
    regulator = Who(market.rep.company_id, "REG", REP, (REP,))

    def asked(reason: str | None) -> MissingUsage:
        with market.store.read() as connection:
            return missing_usage(
                connection,
                regulator,  # type: ignore[arg-type]
                start_date="11/10/2026",
                end_date="11/10/2026",
                esiids=[esiid(0)],
                limits=market.hub.settings.limits,
                clock=market.hub.clock,
                reason=reason,
            )

    with pytest.raises(StatedReasonMissingError):
        asked(None)
    found = asked("Complaint 26-1042")
    assert (found.days_present, list(found.missing)) == (1, [])
    with market.store.write() as connection:
        note_shown(connection, regulator, found, esiids=1, clock=market.hub.clock, address=None)  # type: ignore[arg-type]
        (details,) = connection.scalars(select(audit_log.c.details).where(audit_log.c.event == "usage:missing:shown"))
    assert details["reason"] == "Complaint 26-1042"


def test_changes_older_than_the_history_are_left_out_r4(market: Market) -> None:
    market.add_premises(range(1), served_from=date(2020, 1, 1))
    market.load_days(range(1), date(2022, 11, 19), date(2022, 11, 21), number=1)
    assert changes(market, 0).esiid_days == 2


def test_one_channel_may_be_asked_for_u9(market: Market) -> None:
    market.add_premises(range(2))
    market.load_days(range(2), date(2026, 11, 18), date(2026, 11, 18), number=1)
    market.load_days(range(1), date(2026, 11, 18), date(2026, 11, 18), number=2, channel=1)
    assert [changes(market, 0, reading_type=kind).esiid_days for kind in "CGA"] == [2, 1, 2]


def test_bad_requests_for_changes_have_codes_of_their_own(market: Market) -> None:
    with pytest.raises(errors.LoadMarkUnknownError):
        changes(market, 1)
    with pytest.raises(errors.FormatNotAvailableError):
        changes(market, 0, report_format="PDF")
    with pytest.raises(errors.DeliveryModeNotAvailableError):
        changes(market, 0, delivery_mode="API")
    with pytest.raises(errors.ReadingTypeUnknownError):
        changes(market, 0, reading_type="X")
    market.add_premises(range(3))
    market.load_days(range(3), date(2026, 11, 18), date(2026, 11, 18), number=1)
    limited = market.hub.settings.limits.model_copy(update={"changes_per_request": 2})
    with pytest.raises(errors.TooManyChangesError), market.store.write() as connection:
        request_changes(
            connection,
            market.rep,  # type: ignore[arg-type]
            ChangesRequest("t", "svc", 0, "CSV"),
            limits=limited,
            clock=market.hub.clock,
        )


# -- missing usage


def missing(
    market: Market, esiids: list[str], start: str = "11/10/2026", end_: str = "11/20/2026", **limits
) -> MissingUsage:
    with market.store.read() as connection:
        return missing_usage(
            connection,
            market.rep,  # type: ignore[arg-type]
            start_date=start,
            end_date=end_,
            esiids=esiids,
            limits=market.hub.settings.limits.model_copy(update=limits),
            clock=market.hub.clock,
        )


def test_every_missing_day_has_its_reason_r14(market: Market) -> None:
    market.add_premises(range(2))
    market.add_premises(range(2, 3), served_from=date(2026, 11, 12))
    market.load_days(range(3), date(2026, 11, 10), date(2026, 11, 16), number=1)
    market.load_days(range(3), date(2026, 11, 18), date(2026, 11, 18), number=2)
    found = missing(market, [esiid(2), esiid(0), "nonsense"])
    assert (found.days_asked, found.days_present, found.load_mark) == (33, 6 + 8, 2)
    assert [(row.esiid, row.first_day.day, row.last_day.day, row.code) for row in found.missing] == [
        (esiid(2), 10, 11, "BEFORE_SERVICE"),
        (esiid(2), 17, 17, "GAP"),
        (esiid(2), 19, 20, "NOT_YET_DUE"),
        (esiid(0), 17, 17, "GAP"),
        (esiid(0), 19, 20, "NOT_YET_DUE"),
        ("nonsense", 10, 20, "ESIID_MALFORMED"),
    ]
    assert all(row.reason for row in found.missing)


def test_missing_usage_is_asked_in_small_ranges_r14(market: Market) -> None:
    with pytest.raises(errors.TooManyDaysError):
        missing(market, [esiid(0), esiid(1)], missing_usage_days=21)
    with pytest.raises(errors.NoEsiidsError):
        missing(market, [])
    for start, end_, error in (
        ("2026-11-10", "11/20/2026", errors.DateMalformedError),
        ("11/10/2026", "11/31/2026", errors.DateMalformedError),
        ("11/10/2026", "11/09/2026", errors.DatesReversedError),
        ("11/10/2026", "11/21/2026", errors.DateInFutureError),
    ):
        with pytest.raises(error):
            missing(market, [esiid(0)], start, end_)


def test_subscriptions_of_one_instant_are_one_and_the_others_are_told_of_it(market: Market) -> None:
    begin = Barrier(6)

    def subscribed(number: int) -> bool:
        begin.wait(180)
        try:
            answer_once(
                market.store,
                company_id=CSP.company_id,
                operation="NewSubscription",
                trans_id=f"t-{number}",
                body_sha256=bytes([number]) * 32,
                now=market.hub.clock.now(),
                keep=timedelta(hours=1),
                run=lambda connection: {
                    "id": new_subscription(
                        connection,
                        CSP,  # type: ignore[arg-type]
                        SubscriptionRequest("t", "svc", "INTERVAL", "CSV"),
                        limits=market.hub.settings.limits,
                        clock=market.hub.clock,
                    ).subscription_id
                },
            )
        except errors.SubscriptionActiveError:
            return False
        return True

    end(market, interval(market).subscription_id)
    with ThreadPoolExecutor(6) as callers:
        assert sum(callers.map(subscribed, range(6))) == 1
