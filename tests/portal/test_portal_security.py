"""What holds for every page: headers, sealed forms, cookies, words in both languages, no script."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from portal_town import CHIKA, link_in
from structlog.testing import capture_logs

import smt_ws.portal
from smt_ws.agreements.errors import AcceptanceRefusedError
from smt_ws.parties import account_rules as rules
from smt_ws.portal.app import HEADERS, create_app
from smt_ws.portal.words import LANGUAGES, table_of_words
from smt_ws.settings import Settings, SettingsError

#: None of this depends on the kind of store.
pytestmark = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)

HERE = Path(smt_ws.portal.__file__).parent
#: Pages that anybody can open.
OPEN = [
    "/",
    "/privacy",
    "/faq",
    "/terms",
    "/register",
    "/register?kind=business",
    "/log-in",
    "/forgotten-password",
    "/nothing",
    "/a/x",
]


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_has_the_headers_its_language_and_no_script(browser, path: str, language: str) -> None:
    answer = browser.get(f"{path}{'&' if '?' in path else '?'}lang={language}")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    page = answer.get_data(as_text=True)
    assert f'<html lang="{language}">' in page
    assert re.findall(r"<h1>", page) == ["<h1>"]
    assert "<script" not in page
    assert not re.search(r'\son\w+=|style="', page)
    for name in re.findall(r'<input id="(\w+)"', page):
        assert f'<label for="{name}">' in page


def test_links_that_hold_tokens_are_told_to_nobody(invite, mailbox, browser) -> None:
    invite()
    answer = browser.get(link_in(mailbox(CHIKA), "a"))
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_form_without_its_token_is_refused_everywhere(hub, registered) -> None:
    rules_of = create_app(hub).url_map.iter_rules()
    posts = [rule for rule in rules_of if "POST" in (rule.methods or ())]
    assert len(posts) >= 9
    for rule in posts:
        path = rule.rule
        for pattern, value in ((r"<any\((\w+).*?>", r"\1"), (r"<token>", "A" * 43), (r"<number>", "1" * 12)):
            path = re.sub(pattern, value, path)
        assert registered.post(path, token=False, csrf_token="made-up").status_code == 400, path
        assert registered.title == "Please open the page again"


def test_a_form_of_another_visitor_is_refused(new_browser) -> None:
    mine, theirs = new_browser(), new_browser()
    mine.get("/log-in")
    theirs.get("/log-in")
    token = re.search(r'name="csrf_token" value="([^"]+)"', theirs.text)[1]
    assert mine.post("/log-in", token=False, csrf_token=token, email="a", password="b").status_code == 400


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 422)])
def test_what_another_site_sends_is_refused(browser, site: str, status: int) -> None:
    browser.get("/log-in")
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.text)[1]
    answer = browser.client.post(
        "/log-in", data={"csrf_token": token, "email": "a@b.example", "password": "x"},
        headers={"Sec-Fetch-Site": site}, base_url="https://localhost",
    )  # fmt: skip
    assert answer.status_code == status


def test_cookies_are_for_this_host_and_over_tls_only(registered) -> None:
    names = {key[2]: cookie for key, cookie in registered.client._cookies.items()}
    assert {"__Host-log-in", "__Host-form"} <= set(names)
    for cookie in names.values():
        assert (cookie.secure, cookie.http_only, cookie.same_site) == (True, True, "Lax")


def test_a_form_that_is_too_large_is_refused(browser) -> None:
    browser.get("/log-in")
    assert browser.post("/log-in", email="x" * 100_000).status_code == 413


def test_both_languages_have_the_same_words_with_the_same_places(store_url: str) -> None:
    english, spanish = table_of_words("en"), table_of_words("es")
    assert set(english) == set(spanish)

    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for key in english:
        assert places(english[key]) == places(spanish[key]), key


def test_every_word_is_used_and_every_problem_has_one(store_url: str) -> None:
    used = "".join(path.read_text() for path in (*HERE.glob("*.py"), *(HERE / "templates").iterdir()))
    # The page of an acceptance that is refused is named by the refusal's code.
    refusals = {error.code.lower() for error in AcceptanceRefusedError.__subclasses__()}
    for key in table_of_words("en"):
        section, _, name = key.partition(".")
        if section in refusals:
            continue
        composed = rf'"{section}\.(?:\w+_)?" ~' in used or f'"{section}." ~' in used or f'"{section}"' in used
        assert key in used or composed or re.search(rf'"{section}\.{name.rpartition("_")[0]}_" ~', used), key
    form = dict.fromkeys(
        ("kind", "first_name", "middle_initial", "last_name", "company_name", "phone", "email", "email_again",
         "language", "esiid", "meter_number", "password", "password_again"), "\x00",
    ) | {"email_again": "x", "password": "aaaaaaaaaaaaaaa"}  # fmt: skip
    found = set(rules.problems(form).values()) | {"needed", "password_length", "password_is_email"}
    assert {f"problem.{word}" for word in found} <= set(table_of_words("en"))


@pytest.mark.parametrize("content", [None, "short"])
def test_the_portal_does_not_start_without_its_secret(tmp_path: Path, hub, content: str | None) -> None:
    secret = tmp_path / "other-secret"
    if content is not None:
        secret.write_text(content)
    settings = Settings.model_validate({"portal": {"secret": secret}})
    with pytest.raises(SettingsError, match=r"portal\.secret"):
        create_app(type(hub)(settings=settings, store=hub.store, clock=hub.clock))


def test_when_the_store_is_down_the_page_says_so_in_the_visitors_language(hub, monkeypatch, registered) -> None:
    def down(*_arguments: object) -> None:
        raise ConnectionError("the store is down: secret-host")

    monkeypatch.setattr("smt_ws.portal.visitor.account_of_session", down)
    application = registered.client.application
    application.testing = False
    answer = registered.client.get("/agreements?lang=es", base_url="https://localhost")
    assert answer.status_code == 500
    page = answer.get_data(as_text=True)
    assert "Esta página no se puede mostrar" in page
    assert "secret-host" not in page
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_what_is_logged_of_a_failure_holds_no_link_and_no_value(invite, mailbox, browser, monkeypatch, capfd) -> None:
    invite()
    path = link_in(mailbox(CHIKA), "a")

    def broken(_connection: object, token: str, **_more: object) -> None:
        raise RuntimeError(f"no row for {token}")

    monkeypatch.setattr("smt_ws.agreements.respond.look", broken)
    browser.client.application.testing = False
    with capture_logs() as logged:
        assert browser.get(path).status_code == 500
    (line,) = logged
    assert (line["page"], line["error"]) == ("invitation.show", "RuntimeError")
    assert "invitation_pages.py" in line["where"]
    token = path.rsplit("/", 1)[1]
    assert token not in str(logged)
    assert token not in "".join(capfd.readouterr())
