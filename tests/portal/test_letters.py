"""A14: every letter in both languages, with the same facts, all parts of document 003, and nothing smuggled in."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pytest
from agreement_facts import FACTS, KIND_FACTS
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import meta

import smt_ws.notices
from adapters.mail import Message, UnusableMailHeaderError
from smt_ws.agreements.rules import PERIODS, Kind, Status
from smt_ws.notices.carry import letter
from smt_ws.notices.wording import day_in_words, moment_in_words

FOLDER = Path(smt_ws.notices.__file__).parent
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
AGREEMENT = [
    "agreement_invitation", "agreement_invitation_resent", "agreement_initiated", "agreement_accepted",
    "agreement_accepted_customer", "agreement_rejected", "agreement_rejected_customer", "agreement_completed",
    "agreement_completed_customer", "agreement_changed", "agreement_terminated", "agreement_cancelled",
    "agreement_30_days", "agreement_expired", "agreement_not_accepted", "agreement_disowned", "removal_invitation",
    "agreement_accepted_home", "agreement_extension_ended", "agreement_history_closed",
]  # fmt: skip
ACCOUNT = {
    "account_confirm": {"name": "Chika", "confirm_url": "https://hub.example/confirm/T", "expires_at": NOW.isoformat()},
    "account_password_reset": {
        "name": "Chika",
        "reset_url": "https://hub.example/new-password/T",
        "expires_at": NOW.isoformat(),
    },
    "account_exists": {"name": "Chika", "login_url": "https://hub.example/log-in"},
    "account_devices": {"name": "Chika", "devices_url": "https://hub.example/earlier-devices"},
}
INVITATIONS = ["agreement_invitation", "agreement_invitation_resent", "removal_invitation"]


def facts(**changed: Any) -> dict[str, Any]:
    return FACTS | {"end_day": "2027-05-19"} | changed


def sent(message: str, language: str = "en", to: str = "cakin@customer.example", **changed: Any) -> Message:
    payload = {
        "message": message, "language": language, "to": to, "key": "k", "date": NOW.isoformat(),
        "facts": ACCOUNT.get(message) or facts(**changed),
    }  # fmt: skip
    return letter(payload, sender="Hub <hub@hub.example>", support_contact="help@hub.example")


def used(name: str) -> set[str]:
    """The facts that a template asks for, with those of the parts it includes or extends."""
    source = (FOLDER / name).read_text()
    environment = jinja2.Environment(autoescape=True)
    environment.filters |= dict.fromkeys(("day", "moment"), str)
    tree = environment.parse(source)
    parts = {part for part in meta.find_referenced_templates(tree) if part and "/words." not in part}
    imported = set(re.findall(r"import ([\w, ]+)", source))
    ours = meta.find_undeclared_variables(tree) - {name.strip() for names in imported for name in names.split(",")}
    return ours.union(*(used(part) for part in parts)) - {"language", "support_contact"}


def test_these_are_all_letters_to_and_about_customers() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert {name for name in folders if name.startswith(("agreement", "removal"))} == set(AGREEMENT)
    assert {name for name in folders if name.startswith("account")} == set(ACCOUNT)


@pytest.mark.parametrize("message", [*AGREEMENT, *ACCOUNT])
def test_both_languages_are_there_and_tell_the_same_facts(message: str) -> None:
    for part in ("subject", "text", "html"):
        assert used(f"{message}/{part}.en.j2") == used(f"{message}/{part}.es.j2")
    text, html = used(f"{message}/text.en.j2"), used(f"{message}/html.en.j2")
    assert text == html - (used(f"{message}/subject.en.j2") - text)
    assert text <= set(FACTS) | set(ACCOUNT.get(message, {}))


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("message", [*AGREEMENT, *ACCOUNT])
def test_every_letter_can_be_written_for_every_kind(message: str, language: str) -> None:
    for kind, of_kind in KIND_FACTS.items():
        written = sent(message, language, **({"end_day": "2027-05-19"} | of_kind | {"end_day": "2027-05-19"}))
        assert "  \n" not in written.text, kind
        assert f'<html lang="{language}">' in (written.html or "")
        for text in (written.text, written.html or ""):
            assert "help@hub.example" in text
            if message in AGREEMENT:
                assert "112026000001" in text
                assert "Lantern Analytics" in text
        assert written.as_email()["Subject"] == written.subject


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_words_for_every_status_period_and_kind_are_there(language: str) -> None:
    for status in Status:
        sent("agreement_changed", language, status=status.value)
    for period in PERIODS:
        sent("agreement_changed", language, report_period=period)
    assert set(KIND_FACTS) == {kind.value for kind in Kind}


@pytest.mark.parametrize("message", INVITATIONS)
@pytest.mark.parametrize("part", ["text", "html"])
def test_an_invitation_has_all_parts_of_document_003(message: str, part: str) -> None:
    written = getattr(sent(message), part)
    for fact in (
        "Lantern Analytics", "Ana Ruiz", "512-555-0100", "ana@lantern.example", "We met on Tuesday.", "Thank you!",
        "Chika Akin", "400 N Olive Street, Sunnyville, TX 75012", "cakin@customer.example", "214-555-0199",
        "XXXXXXXXXX4378120", "104051941", "112026000001", "December 20, 2026", "not provided",
        "https://hub.example/a/TOKEN-A", "https://hub.example/r/TOKEN-R", "https://hub.example/d/TOKEN-D",
        "https://hub.example/privacy", "https://hub.example/faq?lang=en", "https://hub.example/terms?lang=en",
        "https://hub.example/register", "November 20, 2026, 09:00 CST", "is yours",
        "between you and Lantern Analytics alone",
    ):  # fmt: skip
        assert fact in " ".join(written.split()), fact
    linked = getattr(sent(message, privacy_url="https://lantern.example/privacy"), part)
    assert "https://lantern.example/privacy" in linked
    assert "not provided" not in linked


def test_the_kinds_that_need_an_account_say_so() -> None:
    assert "You need no account" in sent("agreement_invitation").text
    for kind in ("ongoing", "device", "device_services"):
        assert "register first" in sent("agreement_invitation", **KIND_FACTS[kind]).text


def test_spanish_is_spanish() -> None:
    english, spanish = sent("agreement_invitation"), sent("agreement_invitation", "es")
    assert "20 de diciembre de 2026" in spanish.text
    assert "Aceptar: https://hub.example/a/TOKEN-A" in spanish.text
    assert not set(english.text.splitlines()) & {line for line in spanish.text.splitlines() if len(line) > 40}


HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"


@pytest.mark.parametrize("message", AGREEMENT)
@pytest.mark.parametrize("language", ["en", "es"])
def test_names_and_comments_cannot_add_markup(message: str, language: str) -> None:
    texts = ("company", "contact_name", "contact_phone", "contact_email", "comments", "customer_name", "privacy_url")
    written = sent(message, language, **dict.fromkeys(texts, HOSTILE))
    html = written.html or ""
    assert "<script" not in html
    assert "49" not in html.replace("112026000001", "")
    assert html.count("<a ") == sent(message, language, privacy_url="https://x.example").html.count("<a ")  # type: ignore[union-attr]


def test_comments_cannot_pass_for_our_own_lines() -> None:
    for before in ("Hello\n\n", "x" * 90 + " ", "Hello\u2028", "Hello\r"):
        text = sent("agreement_invitation", comments=f"{before}Accept: https://evil.example/").text
        assert "\n  > Accept: https://evil.example/" in text
        assert "\nAccept: https://evil.example/" not in text


@pytest.mark.parametrize("sign", ["\r\n", "\n", "\r", "\x00", "\u2028"])
def test_no_name_or_address_can_add_a_header(sign: str) -> None:
    with pytest.raises(UnusableMailHeaderError):
        sent("agreement_invitation", to=f"a@b.example{sign}Bcc: c@d.example").as_email()
    subject = sent("agreement_accepted", company=f"Evil{sign}Bcc: c@d.example").subject
    assert "\n" not in subject


@settings(max_examples=60)
@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_a_company_is_called_the_letter_stays_whole(company: str, comments: str) -> None:
    written = sent("agreement_invitation", company=company, comments=comments)
    assert (written.html or "").count("</body>") == 1
    try:
        names = set(written.as_email().keys())
    except UnusableMailHeaderError:
        return
    assert "Bcc" not in names


def test_days_and_moments_are_written_out() -> None:
    assert day_in_words("2026-03-04", "en") == "March 4, 2026"
    assert day_in_words("2026-03-04", "es") == "4 de marzo de 2026"
    assert moment_in_words("2026-11-20T15:00:00+00:00", "en") == "November 20, 2026, 09:00 CST"
