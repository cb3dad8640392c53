"""Registering, confirming an address, logging in and out, a new password, the profile with its code (A22, P9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, g, make_response, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from smt_ws.accounts import links
from smt_ws.accounts import log_in as logging_in
from smt_ws.accounts.attempts import count_attempt
from smt_ws.accounts.errors import InvalidFormError, LinkUnusableError, LogInRefusedError, MeterNotFoundError
from smt_ws.accounts.meters import add_meter
from smt_ws.accounts.register import confirm_email
from smt_ws.accounts.register import register as add_registration
from smt_ws.agreements import respond
from smt_ws.agreements.of_account import meters_changed
from smt_ws.agreements.respond import Outcome
from smt_ws.clock import central_today
from smt_ws.parties.account_rules import KINDS
from smt_ws.parties.accounts import account_meters, renew_authorization_code
from smt_ws.portal.device_pages import ask_about_homes, devices_waiting
from smt_ws.portal.page import hub, message_page, written
from smt_ws.portal.visitor import begin_session, end_session, next_page, session_token, to_log_in

__all__ = ["pages"]

pages = Blueprint("account", __name__)

Answer = str | Response | tuple[str, int]

#: The registration form, in the order of the page.
_FIELDS: Final = (
    "kind", "company_name", "first_name", "middle_initial", "last_name", "phone", "email", "email_again", "language",
    "esiid", "meter_number", "password", "password_again",
)  # fmt: skip


@pages.get("/register")
def register_form() -> Answer:
    """The registration form; behind an invitation it is filled in with what the invitation says (FR-15)."""
    form = dict.fromkeys(_FIELDS, "") | {"language": g.language}
    invited = _prefilled()
    form |= {name: invited[name] for name in _FIELDS if invited.get(name)}
    form["email_again"] = form["email"]
    if form["kind"] not in KINDS:
        form["kind"] = request.args.get("kind", "")
    if form["kind"] not in KINDS:
        return render_template("account_type.html")
    return render_template("register.html", form=form, problems={}, meter_not_found=False, invited=bool(invited))


@pages.post("/register")
def register() -> Answer:
    """Take the form; whether the address has an account is told by e-mail only."""
    form = {name: written(name).strip() for name in _FIELDS}
    form |= {name: written(name) for name in ("password", "password_again")}
    again = {"form": form | {"password": "", "password_again": ""}, "invited": bool(_prefilled())}
    if form["kind"] not in KINDS:
        return render_template("account_type.html")
    try:
        add_registration(hub(), form, address=g.address)
    except InvalidFormError as error:
        # told in the order of the page
        problems = {name: error.problems[name] for name in _FIELDS if name in error.problems}
        return render_template("register.html", **again, problems=problems, meter_not_found=False), 422
    except MeterNotFoundError:
        return render_template("register.html", **again, problems={}, meter_not_found=True), 422
    session.pop("prefill", None)
    return redirect(url_for("account.registered"), 303)


@pages.get("/registered")
def registered() -> str:
    """What to do next: open the letter."""
    return message_page("registered")


@pages.get("/confirm/<token>")
def confirm_form(token: str) -> Answer:
    """The button that confirms an address; changes nothing."""
    with hub().store.read() as connection:
        if not links.is_open(connection, token, "confirm", now=hub().clock.now()):
            return message_page("link_unusable", ("action.log_in", url_for("account.log_in"))), 410
    return render_template("confirm.html", token=token)


@pages.post("/confirm/<token>")
def confirm(token: str) -> Answer:
    """Open the account, and let agreements over all its meters know."""
    try:
        account_id = confirm_email(hub(), token, address=g.address)
    except LinkUnusableError:
        return message_page("link_unusable", ("action.log_in", url_for("account.log_in"))), 410
    with hub().store.write() as connection:
        meters_changed(connection, account_id, clock=hub().clock)
        ask_about_homes(connection, account_id)
    return redirect(url_for("account.log_in", confirmed=1), 303)


@pages.get("/log-in")
def log_in() -> Answer:
    """The log-in form."""
    wanted = next_page(session.get("next"))
    return render_template("log_in.html", email="", refused=False, invited=wanted is not None and wanted[1] in "ard")


@pages.post("/log-in")
def begin() -> Answer:
    """Log in, and go where the customer was going."""
    email = written("email").strip()
    try:
        token = logging_in.log_in(hub(), email=email, password=written("password"), address=g.address)
    except LogInRefusedError:
        return render_template("log_in.html", email=email, refused=True, invited=False), 422
    wanted = next_page(session.get("next")) or url_for("agreement.list_them")
    answer = make_response(redirect(wanted, 303))
    begin_session(answer, token)
    return answer


@pages.post("/log-out")
def end() -> Answer:
    """Log out."""
    if token := session_token():
        logging_in.log_out(hub(), token, address=g.address)
    answer = make_response(redirect(url_for("open.home"), 303))
    end_session(answer)
    return answer


@pages.get("/forgotten-password")
def forgotten_form() -> str:
    """Where to send the link for a new password."""
    return render_template("forgotten.html")


@pages.post("/forgotten-password")
def forgotten() -> Answer:
    """Send it, if there is such an account; the page is the same if not."""
    logging_in.request_reset(hub(), email=written("email"), address=g.address)
    return message_page("reset_sent")


@pages.get("/new-password/<token>")
def new_password_form(token: str) -> Answer:
    """The form for a new password; changes nothing."""
    with hub().store.read() as connection:
        if not links.is_open(connection, token, "reset", now=hub().clock.now()):
            return message_page("link_unusable", ("action.forgotten", url_for("account.forgotten_form"))), 410
    return render_template("new_password.html", token=token, problems={})


@pages.post("/new-password/<token>")
def new_password(token: str) -> Answer:
    """Set it, and end every log-in of the account."""
    first, second = written("password"), written("password_again")
    try:
        logging_in.reset_password(hub(), token, password=first, password_again=second, address=g.address)
    except InvalidFormError as error:
        return render_template("new_password.html", token=token, problems=error.problems), 422
    except LinkUnusableError:
        return message_page("link_unusable", ("action.forgotten", url_for("account.forgotten_form"))), 410
    return message_page("password_set", ("action.log_in", url_for("account.log_in")))


@pages.get("/profile")
def profile() -> Answer:
    """Who is registered, for which meters, and the Account Authorization Code (A3)."""
    if g.account is None:
        return to_log_in("/profile")
    done = next((name for name in ("renewed", "added") if name in request.args), None)
    return _profile_page(done=done)


@pages.post("/profile/meters")
def add_another_meter() -> Answer:
    """Add a meter, and let agreements over all meters know."""
    if g.account is None:
        return to_log_in("/profile")
    form = {name: written(name).strip() for name in ("esiid", "meter_number")}
    count_attempt(hub().store, "meter_account", f"account:{g.account.id}")
    try:
        with hub().store.write() as connection:
            add_meter(connection, g.account.id, **form, clock=hub().clock, address=g.address)
            meters_changed(connection, g.account.id, clock=hub().clock)
            ask_about_homes(connection, g.account.id)
    except InvalidFormError as error:
        return _profile_page(form=form, problems=error.problems), 422
    except MeterNotFoundError:
        return _profile_page(form=form, meter_not_found=True), 422
    return redirect(url_for("account.profile", added=1), 303)


@pages.post("/profile/code")
def renew_code() -> Answer:
    """Give the account another code; the old one names nobody any more."""
    if g.account is None:
        return to_log_in("/profile")
    with hub().store.write() as connection:
        renew_authorization_code(connection, g.account.id, clock=hub().clock, address=g.address)
    return redirect(url_for("account.profile", renewed=1), 303)


def _profile_page(
    *,
    form: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    meter_not_found: bool = False,
    done: str | None = None,
) -> str:
    with hub().store.read() as connection:
        meters = account_meters(connection, g.account.id, today=central_today(hub().clock))
    return render_template(
        "profile.html",
        meters=meters,
        form=form or {"esiid": "", "meter_number": ""},
        problems=problems or {},
        meter_not_found=meter_not_found,
        devices_waiting=devices_waiting(),
        done=done,
    )


def _prefilled() -> dict[str, str]:
    # The invitation that the customer comes from is remembered in the sealed session, not in the address.
    wanted = next_page(session.get("next"))
    if wanted is None or not wanted.startswith("/a/"):
        answered: dict[str, str] = session.get("prefill", {})
        return answered
    with hub().store.read() as connection:
        found = respond.look(connection, wanted.removeprefix("/a/"), now=hub().clock.now())
    return found.prefill if found.outcome is Outcome.OPEN else {}
