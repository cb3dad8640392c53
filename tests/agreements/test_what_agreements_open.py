"""What is accepted is what was shown (A24): the words of e-mails and pages, and the grants of the acceptance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from agreement_market import ANA, BEACON, LANTERN, Town, esiid
from sqlalchemy import select, update

from smt_ws.agreements import errors
from smt_ws.agreements.form import Customer
from smt_ws.agreements.history_closed import HistoryClosed
from smt_ws.agreements.rules import PERIODS, Kind, Purpose, months_later
from smt_ws.notices.carry import letter
from smt_ws.notices.wording import day_in_words
from smt_ws.parties.access import authorise
from smt_ws.parties.account_tables import account
from smt_ws.parties.profile import Profile, set_profile
from smt_ws.parties.tables import grants
from smt_ws.portal.app import create_app

TODAY = date(2026, 11, 20)
DAY = timedelta(days=1)
ROSA = Customer(registered=True, email="rosa@customer.example")
#: Words that are there if, and only if, a grant of this scope is written.
SAYS = {
    "en": {
        "report": "one report of",
        "energy_data": "15-minute, daily and monthly electricity usage",
        "device": "connecting in-home devices",
        "device_services": "messages to in-home devices",
    },
    "es": {
        "report": "un informe del consumo",
        "energy_data": "consumo eléctrico cada 15 minutos, por día y por mes",
        "device": "conectar dispositivos del hogar",
        "device_services": "mensajes a los dispositivos del hogar",
    },
}
FOR_MONTHS = {
    "en": "for {} months from the day of acceptance",
    "es": "durante {} meses a partir del día de la aceptación",
}
NOTHING_BEFORE = {"en": "nothing from before that day", "es": "nada de antes de ese día"}
BACK = {
    "en": "from {} month{} before the day of acceptance until {} months after it",
    "es": "desde {} mes{} antes del día de la aceptación hasta {} meses después",
}
REPORTS = {
    "en": {"interval": "15-minute interval", "daily": "daily", "monthly": "monthly"},
    "es": {"interval": "cada 15 minutos", "daily": "por día", "monthly": "por mes"},
}


def choices() -> Iterator[tuple[Kind, dict[str, Any]]]:
    for report in ("interval", "daily", "monthly"):
        for period in PERIODS:
            yield Kind.ONE_TIME, {"report": report, "report_period": period}
    for months in (3, 6, 9, 12):
        for history in (0, 1, 6, 24):
            for services in (("energy_data",), ("energy_data", "device_services")):
                yield Kind.ONGOING, {"services": services, "months": months, "history_months": history}
        yield Kind.ONGOING, {"services": ("device_services",), "months": months}
        yield Kind.DEVICE_SERVICES, {"months": months}
    yield Kind.DEVICE, {}


def granted(town: Town, number: str) -> dict[str, tuple[date, date | None]]:
    with town.store.read() as connection:
        rows = connection.execute(select(grants).where(grants.c.source == f"agreement:{number}")).all()
    return {row.scope: (row.from_day, row.to_day) for row in rows}


def words(notice: dict[str, Any]) -> list[str]:
    sent = letter(notice, sender="Hub <hub@hub.example>", support_contact="help@hub.example")
    return [" ".join(sent.text.split()), plain(sent.html or "")]


def plain(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_words_are_the_grants_for_every_kind_and_choice(town: Town, language: str):
    """Invitation, page and copy name each scope that the acceptance grants, its days, and no other (A24)."""
    unregistered = replace(ANA, language=language)
    town.add_homes(8)
    rosa = town.register(ROSA.email, 10)
    with town.store.write() as connection:
        connection.execute(update(account).values(language=language))
    portal = create_app(town.hub).test_client()
    for position, (kind, chosen) in enumerate(choices()):
        # Three one-time agreements an ESI ID are the year's most (A6).
        one_time = kind is Kind.ONE_TIME
        home, customer = (position // 3, unregistered) if one_time else (10, ROSA)
        number, tokens = town.invited(home, kind=kind, customer=customer, **chosen)
        invitation = next(one for one in reversed(town.posted) if one["message"] == "agreement_invitation")
        page = portal.get(f"/a/{tokens[Purpose.ACCEPT]}?lang={language}", base_url="https://localhost")
        before = [*words(invitation), plain(page.get_data(as_text=True))]
        town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=None if one_time else rosa)
        copy = next(one for one in town.post() if one["message"] == "agreement_accepted_customer")
        opened = granted(town, number)
        for told in (*before, *words(copy)):
            named = {scope for scope, phrase in SAYS[language].items() if phrase in told}
            assert named == set(opened), (kind, chosen, told)
        for scope, (first, last) in opened.items():
            for told in before:
                _holds_before(told, language, chosen, scope, first, last)
            for told in words(copy):
                _holds_after(told, language, scope, first, last)


def _holds_before(told: str, language: str, chosen: dict[str, Any], scope: str, first: date, last: date | None) -> None:
    months = chosen.get("months", 6)
    if scope == "report":
        days, back = PERIODS[chosen["report_period"]]
        assert (first, last) == (months_later(TODAY, -back) - days * DAY, TODAY - DAY)
        assert REPORTS[language][chosen["report"]] in told
        number = re.search(r"[0-9]+", chosen["report_period"])
        assert number is not None
        assert chosen["report_period"] in ("1d", "1m") or f" {number[0]} m" in told
    elif scope == "energy_data":
        history = chosen.get("history_months", 0)
        assert (first, last) == (months_later(TODAY, -history), months_later(TODAY, months) - DAY)
        if history:
            plural = "" if history == 1 else {"en": "s", "es": "es"}[language]
            assert BACK[language].format(history, plural, months) in told
            assert NOTHING_BEFORE[language] not in told
        else:
            assert f"{FOR_MONTHS[language].format(months)}, " in told
            assert NOTHING_BEFORE[language] in told
    elif scope == "device_services":
        assert (first, last) == (TODAY, months_later(TODAY, months) - DAY)
        assert FOR_MONTHS[language].format(months) in told
    else:
        assert (first, last) == (TODAY, None)


def _holds_after(told: str, language: str, scope: str, first: date, last: date | None) -> None:
    if scope in ("report", "energy_data"):
        assert last is not None
        spell = {"en": "from {} to {}", "es": "desde el {} hasta el {}"}[language]
        assert spell.format(day_in_words(first, language), day_in_words(last, language)) in told
    elif last is not None:
        assert {"en": "until {}", "es": "hasta el {}"}[language].format(day_in_words(last, language)) in told


def ongoing(town: Town, rosa: int, **chosen: Any) -> str:
    number, tokens = town.invited(0, kind=Kind.ONGOING, customer=ROSA, **chosen)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=rosa)
    return number


def test_a_company_s_own_default_is_used_where_a_request_does_not_say_a24(town: Town):
    rosa = town.register(ROSA.email, 0)
    set_profile(town.store, duns=LANTERN, profile=Profile(history_months=12), actor="operator:me", clock=town.clock)
    for asked, expected in ((None, 12), (0, 0), (3, 3)):
        number = ongoing(town, rosa, history_months=asked)
        assert granted(town, number)["energy_data"][0] == months_later(TODAY, -expected)
    by_beacon = ongoing(town, rosa, by=BEACON)
    assert granted(town, by_beacon)["energy_data"][0] == TODAY


@pytest.mark.parametrize(
    ("kind", "chosen", "expected"),
    [
        (Kind.ONGOING, {"history_months": 25}, "0 to 24"),
        (Kind.ONGOING, {"history_months": -1}, "0 to 24"),
        (Kind.ONGOING, {"history_months": 1, "services": ("device_services",)}, "for ongoing energy data alone"),
        (Kind.DEVICE, {"history_months": 0}, "for ongoing energy data alone"),
        (Kind.ONE_TIME, {"history_months": 3}, "for ongoing energy data alone"),
    ],
)
def test_past_usage_is_asked_for_in_months_0_to_24_and_by_ongoing_energy_data_alone_a24(town, kind, chosen, expected):
    with pytest.raises(errors.FieldError, match="historyMonths") as refused:
        town.invite(0, kind=kind, **chosen)
    assert expected in (refused.value.expected or "")


def test_a_one_time_agreement_opens_its_report_and_no_order_of_the_company_s_own_a24(town: Town):
    number, tokens = town.invited(0)
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT])
    assert town.open_grants(number) == {(0, "report")}
    caller = town.callers[LANTERN]

    def allowed(**more: Any) -> int:
        with town.store.read() as connection:
            return authorise(
                connection, company_id=caller.company_id, kind="CSP", duns_numbers=caller.duns_numbers,
                esiids=[esiid(0)], first_day=date(2026, 8, 1), last_day=TODAY, now=town.clock.now(), **more,
            ).days_allowed  # fmt: skip

    assert allowed() == 0
    assert allowed(scopes=("energy_data", "report")) == (TODAY - date(2026, 8, 20)).days


def test_agreements_of_before_are_cut_and_both_sides_are_told_once_a24(town: Town):
    """What the upgrade leaves in the outbox is carried out by the hub; a second try tells nobody again."""
    number = ongoing(town, town.register(ROSA.email, 0))
    town.post()
    carry_out = HistoryClosed(town.hub)
    carry_out({"number": number})
    told = town.post()
    assert [(one["message"], one["to"]) for one in told] == [
        ("agreement_history_closed", ROSA.email),
        ("agreement_history_closed", "desk@lantern.example"),
    ]
    assert "no longer opens anything from before that day" in words(told[0])[0]
    assert "from November 20, 2026 to May 19, 2027" in words(told[0])[0]
    carry_out({"number": number})
    carry_out({"number": "010120000001"})
    assert town.post() == []
    assert town.history(number)[-1] == ("change", "Active", "Active")
