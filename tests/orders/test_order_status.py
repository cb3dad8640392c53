"""How orders stand, and how they end: status, cancelling, expiry (R6, R7)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner
from order_market import Market, esiid
from sqlalchemy import select, update

from smt_ws.cli.order import order as order_command
from smt_ws.orders import build, claim
from smt_ws.orders.cancel import cancel_order
from smt_ws.orders.claim import Claim
from smt_ws.orders.errors import ClaimLostError, OrderFinishedError, OrderUnknownError
from smt_ws.orders.retention import expire_due
from smt_ws.orders.rules import Status
from smt_ws.orders.status import OrderStatus, get_status, list_requests
from smt_ws.store.tables import audit_log
from smt_ws.usage.tables import interval_day

KEEP = timedelta(days=10)


def take(market: Market) -> Claim:
    mine = claim.claim_part(
        market.store, worker="w1", lease=timedelta(seconds=60), attempts=3, clock=market.hub.clock, keep=KEEP
    )
    assert mine is not None
    return mine


def ordered(market: Market, esiids: int = 12) -> int:
    market.add_premises(range(esiids))
    market.load_days(range(esiids), date(2026, 11, 1), date(2026, 11, 9), number=1)
    return market.order([*(esiid(n) for n in range(esiids)), "nonsense"]).order_number


def status(market: Market, number: int, who: object = None) -> OrderStatus:
    with market.store.read() as connection:
        return get_status(connection, who or market.rep, number)  # type: ignore[arg-type]


def cancel(market: Market, number: int, who: object = None) -> Status:
    with market.store.write() as connection:
        return cancel_order(connection, who or market.rep, number, clock=market.hub.clock, keep=KEEP)  # type: ignore[arg-type]


def expire(market: Market) -> int:
    return expire_due(market.store, market.hub.settings.ftps.root, clock=market.hub.clock)


def test_progress_is_told_while_it_is_made(market: Market) -> None:
    number = ordered(market)
    at_first = status(market, number)
    assert at_first.order.status is Status.PENDING
    assert (at_first.order.parts_done, at_first.order.parts_total) == (0, 6)
    # the one that was refused is done from the first
    assert (at_first.order.esiids_done, at_first.order.esiids_total) == (1, 13)
    assert [(count.code, count.days) for count in at_first.exceptions] == [("ESIID_MALFORMED", 10)]
    build.build_part(market.hub, take(market))
    shown = CliRunner().invoke(order_command, ["show", str(number)], obj=market.hub).output
    assert f"order {number} of DUNS 1234567890000: In Progress" in shown
    assert "done: 1 of 6 parts, 6 of 13 ESI IDs" in shown
    assert "130 asked = 45 delivered + 15 excepted + 70 open" in shown
    later = status(market, number)
    assert later.order.status is Status.IN_PROGRESS
    assert (later.order.parts_done, later.order.esiids_done) == (1, 6)
    assert (later.order.days_delivered, later.order.days_excepted) == (45, 15)
    for _ in range(5):
        build.build_part(market.hub, take(market))
    at_last = status(market, number)
    assert at_last.order.status is Status.COMPLETE_WITH_EXCEPTIONS
    assert (at_last.order.parts_done, at_last.order.esiids_done) == (6, 13)
    assert at_last.order.days_asked == at_last.order.days_delivered + at_last.order.days_excepted
    assert {count.code: count.days for count in at_last.exceptions} == {"ESIID_MALFORMED": 10, "LATE_AT_TDSP": 12}
    assert all(count.reason for count in at_last.exceptions)
    assert sorted(file.name for file in at_last.files) == market.visible()
    assert all(file.size and file.sha256 and file.records for file in at_last.files)


def test_another_companys_order_looks_like_none(market: Market) -> None:
    number = ordered(market, 1)
    with pytest.raises(OrderUnknownError) as theirs:
        status(market, number, market.other)
    with pytest.raises(OrderUnknownError) as nobodys:
        status(market, 999_999)
    assert str(theirs.value) == str(nobodys.value)
    with pytest.raises(OrderUnknownError):
        cancel(market, number, market.other)


def test_orders_are_listed_newest_first_by_day_of_submission_in_texas(market: Market) -> None:
    market.add_premises(range(1))
    first = market.order([esiid(0)]).order_number
    market.hub.clock.moment = datetime(2026, 11, 21, 5, 59, tzinfo=UTC)  # type: ignore[attr-defined]
    second = market.order([esiid(0)]).order_number
    market.hub.clock.moment = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)  # type: ignore[attr-defined]
    market.order([esiid(0)])
    market.order([esiid(0)], who=market.other)
    cancel(market, second)

    def listed(**more: object) -> list[int]:
        with market.store.read() as connection:
            found = list_requests(
                connection,
                market.rep,  # type: ignore[arg-type]
                from_day=date(2026, 11, 20),
                to_day=date(2026, 11, 20),
                **more,  # type: ignore[arg-type]
            )
        return [order.order_number for order in found.orders]

    assert listed() == [second, first]
    assert listed(status=Status.CANCELLED) == [second]
    assert listed(service_type="SUBSCRIPTION") == []
    assert listed(page=2) == []


def test_the_list_comes_in_pages(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smt_ws.orders.status.PAGE", 2)
    market.add_premises(range(1))
    numbers = [market.order([esiid(0)]).order_number for _ in range(3)]
    day = date(2026, 11, 20)
    with market.store.read() as connection:
        one = list_requests(connection, market.rep, from_day=day, to_day=day)  # type: ignore[arg-type]
        two = list_requests(connection, market.rep, from_day=day, to_day=day, page=2)  # type: ignore[arg-type]
    assert [order.order_number for order in [*one.orders, *two.orders]] == numbers[::-1]
    assert (one.more, two.more) == (True, False)


def test_an_order_cancelled_in_the_middle_publishes_nothing_more(market: Market) -> None:
    number = ordered(market)
    build.build_part(market.hub, take(market))
    in_hand = take(market)
    assert cancel(market, number) is Status.CANCELLED
    with pytest.raises(ClaimLostError):
        build.build_part(market.hub, in_hand)
    assert not claim.renew(market.store, in_hand, lease=timedelta(seconds=60))
    assert not claim.failed(market.store, in_hand, "x", attempts=1, clock=market.hub.clock, keep=KEEP)
    assert len(market.visible()) == 1
    assert [part.state for part in market.parts(number)] == ["published"] + ["cancelled"] * 5
    assert status(market, number).order.status is Status.CANCELLED


def test_an_order_may_be_cancelled_at_any_moment_before_its_end(market: Market) -> None:
    """Before each of its parts is claimed, and while each is being built."""
    first = ordered(market, 6)
    parts = len(market.parts(first))
    moments = [(done, building) for done in range(parts) for building in (False, True)]
    numbers = [first, *(market.order([*(esiid(n) for n in range(6)), "nonsense"]).order_number for _ in moments[1:])]
    visible = 0
    for number, (done, building) in zip(numbers, moments, strict=True):
        for _ in range(done):
            build.build_part(market.hub, take(market))
        in_hand = take(market) if building else None
        assert in_hand is None or in_hand.order_number == number
        assert cancel(market, number) is Status.CANCELLED
        if in_hand is not None:
            with pytest.raises(ClaimLostError):
                build.build_part(market.hub, in_hand)
        states = ["empty" if part.kind == "remarks" else "published" for part in market.parts(number)]
        assert [part.state for part in market.parts(number)] == states[:done] + ["cancelled"] * (parts - done)
        visible += states[:done].count("published")
        assert len(market.visible()) == visible
        assert status(market, number).order.parts_done == done
    assert not list(market.folder.glob(".*.part"))


def test_a_finished_order_cannot_be_cancelled_and_says_why(market: Market) -> None:
    number = ordered(market, 1)
    for _ in range(4):
        build.build_part(market.hub, take(market))
    with pytest.raises(OrderFinishedError, match="Complete with exceptions") as refused:
        cancel(market, number)
    assert refused.value.presented == "Complete with exceptions"
    again = ordered_again(market)
    cancel(market, again)
    with pytest.raises(OrderFinishedError, match="Cancelled"):
        cancel(market, again)


def ordered_again(market: Market) -> int:
    return market.order([esiid(0)]).order_number


def test_files_stay_ten_days_and_then_the_order_is_expired_r7(market: Market) -> None:
    number = ordered(market)
    with market.store.write() as connection:  # so that there are remarks
        connection.execute(update(interval_day).values(flags=1))
    for _ in range(6):
        build.build_part(market.hub, take(market))
    (market.folder / market.named("Exceptions")).unlink()  # the client took it
    foreign = market.folder / "not-ours.txt"
    foreign.write_text("stays")
    market.hub.clock.advance(KEEP - timedelta(seconds=1))  # type: ignore[attr-defined]
    assert expire(market) == 0
    assert len(market.visible()) == 6
    market.hub.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]
    assert expire(market) == 1
    assert market.visible() == ["not-ours.txt"]
    assert market.row(number).status == "Expired"
    assert {part.state for part in market.parts(number)} == {"expired"}
    assert expire(market) == 0
    # the history can still be told
    assert status(market, number).order.days_delivered == 108


def test_files_of_a_cancelled_order_leave_too_even_one_shown_but_not_recorded(market: Market) -> None:
    number = ordered(market)
    build.build_part(market.hub, take(market))
    cancel(market, number)
    shown = market.folder / market.parts(number)[1].file_name
    shown.write_text("renamed, then killed before the commit")
    market.hub.clock.advance(KEEP)  # type: ignore[attr-defined]
    assert expire(market) == 1
    assert market.visible() == []
    assert market.row(number).status == "Cancelled"
    assert expire(market) == 0


def test_every_change_of_an_order_is_audited_p7(market: Market) -> None:
    number = ordered(market, 1)
    for _ in range(4):
        build.build_part(market.hub, take(market))
    cancel(market, ordered_again(market))
    market.hub.clock.advance(KEEP)  # type: ignore[attr-defined]
    expire(market)
    with market.store.read() as connection:
        events = connection.scalars(
            select(audit_log.c.event).where(audit_log.c.object == f"order:{number}").order_by(audit_log.c.id)
        ).all()
    assert events == [
        "order:place:accepted",
        *["file:publish:done"] * 2,
        "order:build:completed",
        "file:publish:done",
        "order:expire:done",
    ]
