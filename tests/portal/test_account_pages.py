"""Registering, confirming, logging in, a new password, the Account Authorization Code (A3, A4, A22, P9)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from portal_town import CHIKA, ESIIDS, PASSWORD, Browser, link_in
from sqlalchemy import Engine, event, func, insert, select, update

from smt_ws.accounts import passwords
from smt_ws.accounts.log_in import forget_ended
from smt_ws.accounts.passwords import is_password
from smt_ws.clock import real_now
from smt_ws.hub import Hub
from smt_ws.parties import account_rules as rules
from smt_ws.parties.account_tables import account, account_link, account_meter, account_session
from smt_ws.parties.accounts import account_meters, account_of_premise, find_account, find_meter
from smt_ws.parties.tables import grants, meter, occupancy, premise
from smt_ws.store.tables import audit_log, outbox

TODAY = date(2026, 11, 20)


def count(hub: Hub, table) -> int:
    with hub.store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_p9_a_customer_registers_confirms_and_logs_in(hub: Hub, mailbox, browser: Browser) -> None:
    browser.register(esiid=ESIIDS[0][-8:])
    assert browser.title == "Open the e-mail that we have sent you"
    with hub.store.read() as connection:
        assert find_account(connection, email=CHIKA) is None
    path = link_in(mailbox(CHIKA), "confirm")
    for _ in range(2):  # a scanner of mail opens it too
        browser.get(path)
        assert browser.title == "Confirm your e-mail address"
    browser.post(path)
    browser.log_in("CAkin@Customer.EXAMPLE")
    assert browser.title == "My agreements"
    with hub.store.read() as connection:
        found = find_account(connection, email=CHIKA)
        assert found is not None
        (mine,) = account_meters(connection, found.id, today=TODAY)
        assert (mine.esiid, mine.meter_number) == (ESIIDS[0], "M100001")
        assert account_of_premise(connection, mine.premise_id, today=TODAY) == found.id
    browser.get("/profile")
    assert rules.shown_code(found.authorization_code) in browser.text


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("first_name", "", "This is needed."),
        ("last_name", "x" * 61, "too long"),
        ("last_name", "a\nb", "cannot be shown"),
        ("phone", "call me", "Give digits"),
        ("email", "nobody", "Give one address"),
        ("email", "a@b.example\r\nBcc: c@d.example", "Give one address"),
        ("email_again", "other@customer.example", "differ"),
        ("esiid", "12345", "last 6 or 8"),
        ("meter_number", "<b>", "digits and letters"),
        ("password", "short", "12 to 128"),
        ("password", "aaaaaaaaaaaaaaaa", "different characters"),
        ("password_again", "another passphrase", "differ"),
        ("language", "fr", "Choose one."),
    ],
)
def test_a_field_that_is_wrong_is_named_with_what_to_do(hub: Hub, browser: Browser, field, value, said) -> None:
    assert browser.register(**{field: value}).status_code == 422
    assert said in browser.text
    assert f'href="#{field}"' in browser.text
    assert count(hub, account) == 0
    assert PASSWORD not in browser.text


def test_which_part_of_meter_and_esiid_was_wrong_is_not_told(hub: Hub, new_browser) -> None:
    pages = set()
    for esiid, number in ((ESIIDS[0], "100002"), (ESIIDS[1], "100001"), ("99999999", "100001"), (ESIIDS[0], "200001")):
        browser = new_browser()
        email = f"{esiid}.{number}@customer.example"
        assert browser.register(esiid=esiid, meter_number=number, email=email, email_again=email).status_code == 422
        said = browser.text.partition("<main")[2].partition("<form")[0]
        assert said.count("60 days") == 1
        pages.add(said)
    assert len(pages) == 1


def test_a_meter_that_is_not_provisioned_yet_cannot_be_registered(hub: Hub, browser: Browser) -> None:
    with hub.store.write() as connection:
        connection.execute(update(meter).values(provisioned_on=date(2026, 12, 1)))
    assert browser.register().status_code == 422
    assert "60 days" in browser.text


def test_nobody_learns_who_has_an_account(hub: Hub, mailbox, registered, new_browser) -> None:
    other = new_browser()
    other.register(esiid=ESIIDS[1], meter_number="100002")
    known = other.text
    assert mailbox(CHIKA)["Subject"] == "You have an account already"
    other = new_browser()
    other.register(
        esiid=ESIIDS[1], meter_number="100002", email="new@customer.example", email_again="new@customer.example"
    )
    assert other.text == known
    mailbox("new@customer.example")
    pages = []
    for email in (CHIKA, "nobody@customer.example"):
        other = new_browser()
        other.log_in(email, "a wrong passphrase")
        refused = other.text.replace(email, "")
        other.get("/forgotten-password")
        other.post("/forgotten-password", email=email)
        pages.append((refused.count("do not belong together"), other.text))
    assert pages[0] == pages[1]
    assert pages[0][0] == 1


def test_the_same_work_is_done_for_an_unknown_address(monkeypatch, registered, new_browser) -> None:
    verified = []

    def counted(held: str | None, password: str) -> bool:
        verified.append(held is None)
        return is_password(held, password)

    monkeypatch.setattr("smt_ws.accounts.log_in.is_password", counted)
    for email in (CHIKA, "nobody@customer.example"):
        new_browser().log_in(email, "a wrong passphrase")
    assert verified == [False, True]
    assert not is_password(None, "nobody has this password")


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that run meanwhile, without their values."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_time_tells_nobody_who_has_an_account(hub: Hub, registered, new_browser) -> None:
    """Registering, logging in, a forgotten password: the same statements run for a customer's address and for any."""
    for fields in (
        {"esiid": ESIIDS[1], "meter_number": "100002"},
        {"esiid": ESIIDS[0], "meter_number": "100002"},
    ):
        work = []
        for email in (CHIKA, "nobody@customer.example"):
            other = new_browser()
            other.get("/register?kind=residential")
            with counted(hub.store.engine) as statements:
                other.register(**fields, email=email, email_again=email)
            work.append(statements)
        assert work[0] == work[1]
    for path, more in (("/log-in", {"password": "a wrong passphrase"}), ("/forgotten-password", {})):
        work = []
        for email in (CHIKA, "nobody@customer.example"):
            other = new_browser()
            other.get(path)
            with counted(hub.store.engine) as statements:
                other.post(path, email=email, **more)
            work.append(statements)
        assert work[0] == work[1]
    assert forget_ended(hub) == 0, "registrations of a known address are not there for long either"
    hub.clock.advance(timedelta(days=9))
    assert forget_ended(hub) == 2
    assert count(hub, account) == 1


def test_passwords_are_kept_as_argon2id_of_64_mib() -> None:
    assert PasswordHasher().hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    source = Path(passwords.__file__).read_text()
    assert "_HASHER: Final = PasswordHasher()" in source


def test_a4_a_meter_belongs_to_one_account_until_somebody_else_moves_in(
    hub: Hub, mailbox, registered, new_browser, clock
) -> None:
    second = {"email": "b@customer.example", "email_again": "b@customer.example"}
    today = date(2026, 12, 10)
    other = new_browser()
    assert other.register(**second).status_code == 422
    with hub.store.write() as connection:
        premise_id = connection.scalar(select(premise.c.id).where(premise.c.esiid == ESIIDS[0]))
        clock.advance(timedelta(days=20))
        connection.execute(
            insert(occupancy).values(premise_id=premise_id, move_in_day=date(2026, 12, 1), load_number=2)
        )
    other = new_browser()
    other.register(**second)
    path = link_in(mailbox("b@customer.example"), "confirm")
    other.get(path)
    other.post(path)
    assert "confirmed" in other.text
    with hub.store.read() as connection:
        mine = find_account(connection, email="b@customer.example")
        before = find_account(connection, email=CHIKA)
        assert mine is not None
        assert before is not None
        assert account_meters(connection, before.id, today=today) == []
        (home,) = account_meters(connection, mine.id, today=today)
        assert home.from_day == date(2026, 12, 1)
        assert account_of_premise(connection, home.premise_id, today=today) == mine.id


def test_r5_a_meter_is_the_customers_until_the_day_on_which_somebody_else_moves_in(
    hub: Hub, registered, new_browser, clock
) -> None:
    """A TDSP tells of a move days before it: until then account, code and agreements are those of who lives there."""
    with hub.store.write() as connection:
        premise_id = connection.scalar(select(premise.c.id).where(premise.c.esiid == ESIIDS[0]))
        connection.execute(
            insert(occupancy).values(premise_id=premise_id, move_in_day=date(2026, 11, 23), load_number=2)
        )
    registered.get("/profile")
    assert ESIIDS[0] in registered.text
    next_one = {"email": "b@customer.example", "email_again": "b@customer.example"}
    assert new_browser().register(**next_one).status_code == 422
    clock.advance(timedelta(days=2, hours=14, minutes=59))  # 22 November, 23:59 in Texas
    registered.get("/profile")
    assert ESIIDS[0] in registered.text
    clock.advance(timedelta(minutes=1))
    registered.get("/profile")
    assert ESIIDS[0] not in registered.text
    assert new_browser().register(**next_one).status_code == 200


def test_of_two_who_register_the_same_meter_the_first_to_confirm_has_it(hub, mailbox, new_browser) -> None:
    for email in ("a@customer.example", "b@customer.example"):
        new_browser().register(email=email, email_again=email)
    for email, status in (("b@customer.example", 200), ("a@customer.example", 410)):
        browser, path = new_browser(), link_in(mailbox(email), "confirm")
        browser.get(path)
        assert browser.post(path).status_code == status
    with hub.store.read() as connection:
        assert find_account(connection, email="b@customer.example") is not None
        assert find_account(connection, email="a@customer.example") is None


def test_a_forgotten_password_is_set_anew_once_and_ends_every_log_in(hub, mailbox, registered, new_browser) -> None:
    other = new_browser()
    other.get("/forgotten-password")
    other.post("/forgotten-password", email=CHIKA)
    path = link_in(mailbox(CHIKA), "new-password")
    other.get(path)
    # The rule is that of registering: nor the address of the account, however it is written.
    for wrong in ("short", "a" * 12, CHIKA, f"  {CHIKA.upper()}"):
        assert other.post(path, password=wrong, password_again=wrong).status_code == 422, wrong
    assert other.post(path, password="another fine passphrase", password_again="other").status_code == 422
    other.post(path, password="another fine passphrase", password_again="another fine passphrase")
    assert other.title == "Your new password is set"
    assert registered.get("/profile").status_code == 200
    assert registered.title == "Log in"
    other.log_in(CHIKA, PASSWORD)
    assert "do not belong together" in other.text
    other.log_in(CHIKA, "another fine passphrase")
    assert other.title == "My agreements"
    assert other.get(path).status_code == 410


@pytest.mark.parametrize(("kind", "late"), [("confirm", timedelta(hours=25)), ("new-password", timedelta(minutes=61))])
def test_links_of_accounts_expire(hub, mailbox, browser, clock, kind: str, late: timedelta) -> None:
    browser.register()
    path = link_in(mailbox(CHIKA), "confirm")
    if kind == "new-password":
        browser.get(path)
        browser.post(path)
        browser.get("/forgotten-password")
        browser.post("/forgotten-password", email=CHIKA)
        path = link_in(mailbox(CHIKA), "new-password")
    browser.get(path)
    clock.advance(late)
    assert browser.post(path, password="p" * 8 + "assphrase", password_again="p" * 8 + "assphrase").status_code == 410
    assert browser.get(path).status_code == 410


def test_no_token_and_no_password_stands_in_the_store(hub: Hub, mailbox, browser) -> None:
    browser.register()
    path = link_in(mailbox(CHIKA), "confirm")
    browser.get(path)
    browser.post(path)
    browser.log_in()
    session = browser.client.get_cookie("__Host-log-in", domain="localhost")
    assert session is not None
    secrets = (path.rsplit("/", 1)[1], PASSWORD, session.value)
    with hub.store.read() as connection:
        for table in (account, account_link, account_session, outbox, audit_log):
            for row in connection.execute(select(table)):
                assert not any(secret in str(tuple(row)) for secret in secrets), table.name


def test_log_ins_end_when_idle_and_on_logging_out(hub: Hub, registered: Browser) -> None:
    registered.get("/profile")
    assert registered.title == "My profile"
    with hub.store.write() as connection:
        long_ago = real_now() - rules.SESSION_IDLE - timedelta(minutes=1)
        connection.execute(update(account_session).values(seen_at=long_ago))
    registered.get("/profile")
    assert registered.title == "Log in"
    assert forget_ended(hub) == 0
    assert count(hub, account_session) == 0
    registered.log_in()
    registered.post("/log-out")
    registered.get("/agreements")
    assert registered.title == "Log in"
    assert count(hub, account_session) == 0


def test_registrations_that_nobody_confirms_are_forgotten(hub: Hub, browser, registered, new_browser, clock) -> None:
    new_browser().register(esiid=ESIIDS[1], meter_number="100002", email="x@c.example", email_again="x@c.example")
    assert count(hub, account) == 2
    clock.advance(timedelta(days=9))
    assert forget_ended(hub) == 1
    assert (count(hub, account), count(hub, account_meter)) == (1, 1)


def test_a3_the_code_is_shown_and_renewed(hub: Hub, registered: Browser) -> None:
    def code() -> str:
        with hub.store.read() as connection:
            found = find_account(connection, email=CHIKA)
            assert found is not None
            return found.authorization_code

    before = code()
    registered.get("/profile")
    registered.post("/profile/code")
    assert code() != before
    assert rules.shown_code(code()) in registered.text
    with hub.store.read() as connection:
        assert find_account(connection, authorization_code=before) is None
        typed = rules.shown_code(code()).lower()
        assert find_account(connection, authorization_code=typed) == find_account(connection, email=CHIKA)


def test_a3_a_meter_that_is_added_is_in_agreements_over_all_meters_at_once(hub: Hub, invite, registered) -> None:
    customer = {"registered": True, "email": CHIKA}
    number = invite("ongoing", customer=customer, all_meters=True)
    registered.get(f"/agreements/{number}")
    registered.post(f"/agreements/{number}/accept")

    def opened() -> int:
        with hub.store.read() as connection:
            return len(connection.execute(select(grants).where(grants.c.ended_at > hub.clock.now())).all())

    assert opened() == 1
    registered.get("/profile")
    for esiid, meter_number in ((ESIIDS[1], "100003"), (ESIIDS[0], "100001"), ("1", "100002"), (ESIIDS[1], "")):
        assert registered.post("/profile/meters", esiid=esiid, meter_number=meter_number).status_code == 422
    assert opened() == 1
    registered.post("/profile/meters", esiid=ESIIDS[1][-6:], meter_number="100002")
    assert "is in your account now" in registered.text
    assert ESIIDS[1] in registered.text
    assert opened() == 2


@pytest.mark.parametrize("what", ["log_in_email", "register_email", "reset_email"])
def test_trying_too_often_is_stopped_over_all_processes(monkeypatch, mailbox, new_browser, what: str) -> None:
    monkeypatch.setitem(rules.LIMITS, what, rules.Limit(2, timedelta(hours=1)))
    answers = []
    for _ in range(3):
        browser = new_browser()
        if what == "register_email":
            answers.append(browser.register().status_code)
        elif what == "reset_email":
            browser.get("/forgotten-password")
            answers.append(browser.post("/forgotten-password", email=CHIKA.upper()).status_code)
        else:
            answers.append(browser.log_in(CHIKA, "a wrong passphrase").status_code)
    assert answers[-1] == 429
    assert 429 not in answers[:-1]


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/a/short", "/static/../x", "/agreements/1"]
)
def test_after_logging_in_nobody_is_sent_elsewhere(hub, mailbox, registered, new_browser, wanted: str) -> None:
    other = new_browser()
    with other.client.session_transaction(base_url="https://localhost") as session:
        session["next"] = wanted
    other.log_in()
    assert other.page is not None
    assert other.page.request.url == "https://localhost/agreements"


def test_find_meter_takes_ends_of_esiids_and_numbers_without_their_letter(hub: Hub) -> None:
    today = date(2026, 11, 20)
    with hub.store.read() as connection:
        for esiid in (ESIIDS[0], ESIIDS[0][-8:], ESIIDS[0][-6:]):
            for number in ("100001", "M100001", "m100001"):
                found = find_meter(connection, esiid=esiid, meter_number=number, today=today)
                assert found is not None
                assert (found.esiid, found.meter_number) == (ESIIDS[0], "M100001")
        for esiid, number in ((ESIIDS[0][-7:], "100001"), ("%" * 6, "100001"), ("_" * 8, "100001"), (ESIIDS[0], "")):
            assert find_meter(connection, esiid=esiid, meter_number=number, today=today) is None


def test_signs_that_no_store_takes_are_no_fault_of_the_hub(registered, new_browser) -> None:
    for path, fields in (
        ("/log-in", {"email": "a\x00b@c.example", "password": "x\x00y"}),
        ("/log-in", {"email": "\ud83d" * 3 + "é" * 300, "password": "x" * 1000}),
        ("/forgotten-password", {"email": "a\x00b"}),
        ("/register", {"kind": "residential", "first_name": "\x00", "esiid": "\x00" * 17}),
    ):
        other = new_browser()
        other.get(path + ("?kind=residential" if path == "/register" else ""))
        sent = {name: text.encode(errors="replace").decode() for name, text in fields.items()}
        assert other.post(path, **sent).status_code in {200, 422}, path
    registered.get("/profile")
    assert registered.post("/agreements/%00/accept").status_code == 404
    registered.get("/profile")
    assert registered.post("/profile/meters", esiid="\x00", meter_number="\x00").status_code == 422
