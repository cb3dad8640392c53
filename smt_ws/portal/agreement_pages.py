"""My agreements: the list, one agreement, and what its customer may do to it (002 P3; FR-10: only that is offered)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from flask import Blueprint, g, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from smt_ws.agreements import of_account
from smt_ws.agreements.change import Change
from smt_ws.agreements.errors import (
    AcceptanceRefusedError,
    AgreementStateError,
    AgreementUnknownError,
    EndDateError,
    NothingToChangeError,
    NotInvitedError,
)
from smt_ws.agreements.of_account import AgreementRow
from smt_ws.agreements.rules import INVITING, KINDS, LASTS_AT_MOST, Act, Kind, Status, is_number, months_later
from smt_ws.clock import central_today
from smt_ws.portal.device_pages import devices_waiting
from smt_ws.portal.page import acceptance_refused, hub, message_page, written
from smt_ws.portal.visitor import to_log_in

__all__ = ["pages"]

pages = Blueprint("agreement", __name__)

Answer = str | Response | tuple[str, int]


def _accept(connection: Connection, account_id: int, number: str, **how: Any) -> Status:
    return of_account.accept_as_customer(connection, account_id, number, policy=hub().settings.agreements, **how)


#: What a button does, by the last part of its address.
_ACTS: Final[dict[str, Callable[..., Any]]] = {
    "accept": _accept,
    "reject": of_account.reject_as_customer,
    "disown": of_account.disown_as_customer,
    "terminate": of_account.terminate,
}


@pages.get("/agreements")
def list_them() -> Answer:
    """All agreements of the customer: those that wait for an answer first, then newest first (P2.4, P3.2)."""
    if g.account is None:
        return to_log_in("/agreements")
    rows = _rows()
    waiting = [row for row in rows if row.status in INVITING and Act.ACCEPT in row.acts]
    others = [row for row in rows if row not in waiting]
    return render_template("agreements.html", waiting=waiting, others=others, devices_waiting=devices_waiting())


@pages.get("/agreements/<number>")
def show(number: str) -> Answer:
    """One agreement, with the acts that are open."""
    if g.account is None:
        return to_log_in(f"/agreements/{number}")
    return _page(number)


@pages.post("/agreements/<number>/<any(accept, reject, disown, terminate):act>")
def do(number: str, act: str) -> Answer:
    """Carry one act out."""
    if g.account is None:
        return to_log_in(f"/agreements/{number}")
    if not is_number(number):
        return _unknown()
    try:
        with hub().store.write() as connection:
            _ACTS[act](connection, g.account.id, number, clock=hub().clock, address=g.address)
    except AgreementUnknownError:
        return _unknown()
    except NotInvitedError:
        return _page(number, status=403)
    except AcceptanceRefusedError as error:
        row = _find(number)
        return acceptance_refused(number, row.company if row else "", error)
    except AgreementStateError:
        # It has moved on since the page was made: say so, and show how it stands.
        return _page(number, problem="state", status=409)
    return redirect(url_for("agreement.show", number=number, done=act), 303)


@pages.post("/agreements/<number>/change")
def change(number: str) -> Answer:
    """Change the end, the services or the ESI IDs (P3.3)."""
    if g.account is None:
        return to_log_in(f"/agreements/{number}")
    row = _find(number)
    if row is None:
        return _unknown()
    try:
        wanted = _wanted(row)
        with hub().store.write() as connection:
            of_account.change_as_customer(
                connection, g.account.id, number, wanted, clock=hub().clock, address=g.address
            )
    except (EndDateError, ValueError):
        return _page(number, problem="end_day", status=422)
    except NothingToChangeError:
        return _page(number, problem="nothing", status=422)
    except AgreementUnknownError:
        return _unknown()
    except AgreementStateError:
        return _page(number, problem="state", status=409)
    return redirect(url_for("agreement.show", number=number, done="change"), 303)


def _wanted(row: AgreementRow) -> Change:
    """What the form says that is different from *row*. Raises ValueError where the day is none."""
    chosen = written("end_day").strip()
    end_day = date.fromisoformat(chosen) if chosen else None
    services: list[str] | None = None
    if "services_shown" in request.form:
        services = [name for name in KINDS[row.kind].services if name in request.form.getlist("service")]
    kept = set(request.form.getlist("esiid"))
    drop = [esiid for esiid, _meter in row.meters if esiid not in kept] if "esiids_shown" in request.form else []
    return Change(
        end_day=None if end_day == row.end_day else end_day,
        services=None if services is None or sorted(services) == sorted(row.services) else services,
        drop_esiids=drop,
    )


def _rows() -> list[AgreementRow]:
    with hub().store.read() as connection:
        return of_account.agreements_of(connection, g.account.id, now=hub().clock.now())


def _find(number: str) -> AgreementRow | None:
    return next((row for row in _rows() if row.number == number), None)


def _page(number: str, *, problem: str | None = None, status: int = 200) -> Answer:
    row = _find(number)
    if row is None:
        return _unknown()
    today = central_today(hub().clock)
    done = request.args.get("done") if request.args.get("done") in {*_ACTS, "change"} else None
    if done == "reject" and row.accepted_at is not None:
        done = "reject_extension"
    shown = render_template(
        "agreement.html",
        row=row,
        acts={act.value for act in row.acts},
        kind=KINDS[row.kind],
        has_end=row.kind not in {Kind.ONE_TIME, Kind.DEVICE, Kind.REMOVAL},
        today=today,
        last_day=months_later(today, LASTS_AT_MOST),
        done=done,
        problem=problem,
    )
    return shown, status


def _unknown() -> Answer:
    return message_page("agreement_unknown", ("action.my_agreements", url_for("agreement.list_them"))), 404
