"""Small requests are answered at once: the same content as an order's file, and the same account of days (R9)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from order_market import Market, esiid
from sqlalchemy import func, select, update
from test_order_build import build_all

from smt_ws.orders.errors import BeyondHistoryError, TooLargeForAnswerError
from smt_ws.orders.inline import InlineReport, answer_inline
from smt_ws.orders.place import UsageRequest
from smt_ws.orders.tables import report_order
from smt_ws.parties.tables import company
from smt_ws.settings import SettingsError
from smt_ws.store.tables import audit_log


def asked(
    market: Market, *esiids: str, start: str = "11/01/2026", end: str = "11/10/2026", **more: str
) -> InlineReport:
    request = UsageRequest(
        trans_id="t-1",
        requestor_id="svc",
        start_date=start,
        end_date=end,
        esiids=esiids,
        delivery_mode="API",
        **({"report_format": "CSV"} | more),  # type: ignore[arg-type]
    )
    return answer_inline(market.hub, market.rep, request, address="192.0.2.1")  # type: ignore[arg-type]


@pytest.mark.parametrize("report_format", ["CSV", "LSE", "XML"])
def test_an_answer_holds_what_the_file_of_an_order_would(market: Market, report_format: str) -> None:
    market.add_premises(range(1), served_from=date(2026, 11, 2))
    market.load_days(range(1), date(2026, 11, 1), date(2026, 11, 8), number=1)
    answer = asked(market, esiid(0), report_format=report_format)
    number = market.order([esiid(0)], report_format=report_format).order_number
    build_all(market)
    part = market.parts(number)[0]
    assert answer.content == market.opened(part.file_name)
    assert (answer.records, answer.refused) == (part.records, False)
    assert answer.name.endswith(f".{report_format}")
    assert (answer.days_asked, answer.days_delivered, answer.days_excepted) == (10, 7, 3)
    assert [(one.first.day, one.last.day, one.code) for one in answer.exceptions] == [
        (1, 1, "BEFORE_SERVICE"),
        (9, 9, "NOT_DELIVERED"),
        (10, 10, "LATE_AT_TDSP"),
    ]


def test_an_answer_is_no_order_and_leaves_a_line_in_the_audit_log_p7(market: Market) -> None:
    market.add_premises(range(1))
    asked(market, esiid(0))
    with market.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(report_order)) == 0
        (line,) = connection.execute(select(audit_log)).all()
    assert (line.event, line.certificate_sha256, line.address) == ("usage:answer:done", "ab" * 32, "192.0.2.1")
    assert line.details["days_excepted"] == 10
    assert esiid(0) not in str(line.details)


@pytest.mark.parametrize("report_format", ["CSV", "LSE", "XML"])
def test_an_esiid_that_may_not_be_seen_is_answered_with_the_reason_r5(market: Market, report_format: str) -> None:
    answer = asked(market, esiid(77), report_format=report_format)
    assert (answer.refused, answer.records, answer.days_delivered) == (True, 0, 0)
    assert [one.code for one in answer.exceptions] == ["ESIID_UNKNOWN"]
    assert answer.content == b"" or answer.content.count(b"\n") == 1


def test_no_openpgp_certificate_is_needed_for_an_answer(market: Market) -> None:
    market.add_premises(range(1))
    with market.store.write() as connection:
        connection.execute(update(company).values(openpgp_certificate=None))
    assert asked(market, esiid(0)).days_asked == 10


@pytest.mark.parametrize(
    ("report", "days"), [("interval", 40), ("daily", 1200), ("monthly", 732)], ids=["interval", "daily", "monthly"]
)
def test_r9_an_answer_is_one_esiid_and_so_many_days(market: Market, report: str, days: int) -> None:
    last = date(2026, 11, 20)

    def start(so_many: int) -> str:
        return f"{last - timedelta(days=so_many - 1):%m/%d/%Y}"

    most = {"start": start(days), "end": "11/20/2026", "report": report, "reading_type": "C"}
    if report == "monthly":  # 24 months are never more than 732 days; beyond them is beyond the history
        most["start"] = "11/20/2024"
    assert asked(market, esiid(0), **most).days_asked == (731 if report == "monthly" else days)
    with pytest.raises(TooLargeForAnswerError, match="FTP or EML"):
        asked(market, esiid(0), esiid(1), **most)
    with pytest.raises(BeyondHistoryError if report == "monthly" else TooLargeForAnswerError):
        asked(market, esiid(0), **(most | {"start": start(days + 1)}))


def test_green_button_without_a_secret_is_told_to_the_operator(market: Market) -> None:
    market.add_premises(range(1))
    market.load_days(range(1), date(2026, 11, 2), date(2026, 11, 2), number=1)
    market.hub.settings.green_button.namespace_secret.unlink()
    with pytest.raises(SettingsError, match="openssl rand -hex 32"):
        asked(market, esiid(0), report_format="XML")
