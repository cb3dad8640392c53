"""Notices: filled from facts, escaped where they are HTML, recognisable when sent twice (R10, P11)."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import jinja2
import pytest
from sqlalchemy import select

from adapters.mail import MailNotSentError, Message, UnusableMailHeaderError
from smt_ws.notices.carry import Carry, letter
from smt_ws.notices.queue import notify
from smt_ws.settings import Settings
from smt_ws.store.engine import Store
from smt_ws.store.outbox import Refused, deliver_due
from smt_ws.store.tables import outbox

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
FACTS = {
    "order_number": 100017,
    "report": "interval",
    "first_day": "2026-10-01",
    "last_day": "2026-10-31",
    "duns": "1234567890000",
}
READY = FACTS | {
    "status": "Complete with exceptions",
    "files": 5,
    "days_delivered": 1200,
    "days_excepted": 40,
    "expires_at": "2026-11-30T15:00:00+00:00",
}
MESSAGES = {"report_ready": READY, "report_failed": FACTS}


def payload(message: str, facts: dict[str, object]) -> dict[str, object]:
    return {
        "message": message,
        "language": "en",
        "to": "reports@rep.example",
        "key": "order:100017:ready",
        "date": NOW.isoformat(),
        "facts": facts,
    }


def test_every_folder_of_templates_is_known_here_and_whole() -> None:
    import smt_ws.notices

    folders = [path for path in Path(smt_ws.notices.__file__).parent.iterdir() if path.is_dir() and path.name[0] != "_"]
    assert set(MESSAGES) <= {folder.name for folder in folders}
    for folder in folders:
        assert {"subject.en.j2", "text.en.j2", "html.en.j2"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_letter_tells_the_order_and_whom_to_ask(message: str) -> None:
    sent = letter(
        payload(message, MESSAGES[message]), sender="Hub <hub@hub.example>", support_contact="help@hub.example"
    )
    assert sent.to == "reports@rep.example"
    assert "\n" not in sent.subject
    assert "100017" in sent.subject
    for text in (sent.text, sent.html or ""):
        assert "100017" in text
        assert "10/01/2026" in text
        assert "help@hub.example" in text
    assert sent.message_id.endswith("@hub.example>")


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("folder", ["adhoc", "daily"])
def test_a_letter_names_the_folder_where_the_files_are_r8(message: str, folder: str) -> None:
    facts = MESSAGES[message] | {"folder": folder}
    sent = letter(payload(message, facts), sender="hub@hub.example", support_contact="x")
    for text in (sent.text, sent.html or ""):
        assert f"/{folder}" in text
        assert ("place the order again" in text) == (message == "report_failed" and folder == "adhoc")


def test_a_report_that_is_ready_says_what_and_until_when() -> None:
    sent = letter(payload("report_ready", READY), sender="hub@hub.example", support_contact="x")
    assert "1200 delivered, 40 not" in sent.text
    assert "11/30/2026 09:00 CST" in sent.text
    assert "Exceptions lists" in sent.text
    whole = letter(payload("report_ready", READY | {"days_excepted": 0}), sender="hub@hub.example", support_contact="x")
    assert "Exceptions lists" not in whole.text


@pytest.mark.parametrize(("limit", "attached"), [(30, 2), (29, 0)])
def test_r10_files_are_attached_whole_where_they_are_small_enough_together(
    tmp_path: Path, limit: int, attached: int
) -> None:
    folder = tmp_path / "ftps" / "1234567890000" / "adhoc"
    folder.mkdir(parents=True)
    (folder / "one.CSV.asc").write_bytes(b"1" * 10)
    (folder / "two.CSV.asc").write_bytes(b"2" * 20)
    mail = {"folder": tmp_path / "mail", "attach_bytes": limit}
    settings = Settings.model_validate({"mail": mail, "ftps": {"root": tmp_path / "ftps"}})
    files = ["1234567890000/adhoc/one.CSV.asc", "1234567890000/adhoc/two.CSV.asc"]
    Carry.of(settings)(payload("report_ready", READY) | {"files": files})
    (file,) = (tmp_path / "mail").glob("*.eml")
    sent = message_from_bytes(file.read_bytes(), policy=policy.default)
    found = {part.get_filename(): part.get_content() for part in sent.iter_attachments()}
    assert found == ({"one.CSV.asc": b"1" * 10, "two.CSV.asc": b"2" * 20} if attached else {})
    text = sent.get_body(("plain",)).get_content()
    assert ("2 files, the same" in text, "too large for e-mail" in text) == (attached == 2, attached == 0)


def test_a_file_that_was_fetched_and_deleted_meanwhile_is_said_not_to_be_attached(tmp_path: Path) -> None:
    settings = Settings.model_validate({"mail": {"folder": tmp_path / "mail"}, "ftps": {"root": tmp_path / "ftps"}})
    Carry.of(settings)(payload("report_ready", READY) | {"files": ["1234567890000/adhoc/gone.asc"]})
    (file,) = (tmp_path / "mail").glob("*.eml")
    assert "Attached:            none" in file.read_text()


def test_html_is_escaped_and_plain_text_is_not() -> None:
    sent = letter(payload("report_ready", READY), sender="hub@hub.example", support_contact="<Help & Co>")
    assert "&lt;Help &amp; Co&gt;" in (sent.html or "")
    assert "<Help & Co>" in sent.text


def test_a_missing_fact_is_an_error_not_a_gap_in_the_letter() -> None:
    with pytest.raises(jinja2.UndefinedError):
        letter(payload("report_ready", FACTS), sender="hub@hub.example", support_contact="x")


def test_the_same_notice_is_the_same_letter() -> None:
    one, two = (letter(payload("report_ready", READY), sender="hub@hub.example", support_contact="x") for _ in range(2))
    assert one == two


def test_a_notice_is_queued_once_and_carried_to_the_folder(store: Store, tmp_path: Path) -> None:
    settings = Settings.model_validate({"mail": {"folder": tmp_path / "mail"}})
    for _ in range(2):
        with store.write() as connection:
            notify(connection, "report_ready", to="reports@rep.example", key="order:1:ready", facts=READY, now=NOW)
    assert deliver_due(store, {"email": Carry.of(settings)}) == 1
    assert deliver_due(store, {"email": Carry.of(settings)}) == 0
    (file,) = (tmp_path / "mail").glob("*.eml")
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert mail["To"] == "reports@rep.example"
    assert mail["Subject"] == "Order 100017: Complete with exceptions"
    with store.read() as connection:
        assert connection.execute(select(outbox.c.done_at)).scalar_one() is not None


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (MailNotSentError("recipient refused with [550]", permanent=True), Refused),
        (MailNotSentError("mail:587: connection refused", permanent=False), ConnectionError),
        (UnusableMailHeaderError("an address holds a control character"), Refused),
    ],
)
def test_the_outbox_is_told_whether_the_letter_or_the_mail_server_is_at_fault(error, verdict, tmp_path: Path) -> None:
    class Failing:
        def send(self, _message: Message) -> None:
            raise error

    carry = Carry(Failing(), "hub@hub.example", "support@hub.example", tmp_path, 1000)
    with pytest.raises(verdict):
        carry(payload("report_ready", READY))
