"""R7, R8, A8: each company is told once a day which agreements and homes began, changed or ended (both stores)."""

from __future__ import annotations

import csv
import zipfile
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest
from agreement_market import LANTERN, PECAN, TDSP, Town, esiid
from sqlalchemy import delete, select, update

from adapters import openpgp
from jobs.daily import post_enrollments, remove_expired_files
from jobs.table import TABLE
from smt_ws.agreements import enrollment_files
from smt_ws.agreements.enrollment import COLUMNS, agreement_event, service_event
from smt_ws.agreements.form import Customer
from smt_ws.agreements.of_account import meters_changed, terminate
from smt_ws.agreements.rules import Kind, Purpose
from smt_ws.clock import central_today
from smt_ws.parties.account_tables import account_meter
from smt_ws.parties.tables import company, company_duns
from smt_ws.store.tables import audit_log
from smt_ws.usage.load import load_file

BLUE = "222222222"
ONE_DAY = timedelta(days=1)


@cache
def key() -> tuple[str, str]:
    return openpgp.make_key("desk <desk@company.example>")


def give_keys(town: Town, *duns: str) -> None:
    with town.store.write() as connection:
        holders = select(company_duns.c.company_id).where(company_duns.c.duns.in_(duns))
        connection.execute(update(company).where(company.c.id.in_(holders)).values(openpgp_certificate=key()[1]))


@pytest.fixture(autouse=True)
def ready(town: Town) -> None:
    give_keys(town, LANTERN, PECAN)


def load_reps(town: Town, folder: Path, *rows: str) -> None:
    file = folder / f"reps{town.clock.now():%d%H%M%S}-{len(list(folder.iterdir()))}.csv"
    file.write_text("ESIID,REP_DUNS,FROM_DATE,TO_DATE\n" + "".join(f"{row}\n" for row in rows))
    activity = load_file(town.store, file, clock=town.clock, tdsp_duns=TDSP)
    assert (activity.outcome, activity.tally.rejected) == ("loaded", 0), activity


def place(town: Town, duns: str) -> Path:
    return town.hub.settings.ftps.root / duns / "enrollment"


def next_morning(town: Town) -> str:
    """What the job says on the next morning."""
    town.later(days=1)
    return post_enrollments(town.hub, central_today(town.clock))


def rows_of(town: Town, duns: str, day: date, folder: Path) -> list[dict[str, str]]:
    delivered = place(town, duns) / f"Enrollment-{day}.CSV.{duns}.asc"
    if not delivered.exists():
        return []
    plain = folder / f"{duns}-{day}.zip"
    openpgp.decrypt_file(delivered, plain, key()[0])
    with zipfile.ZipFile(plain) as archive:
        assert archive.namelist() == [f"Enrollment-{day}.CSV"]
        rows = list(csv.DictReader(archive.read(archive.namelist()[0]).decode().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    return rows


def short(rows: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(row["ROW"], row["EVENT"], row["ESIID"]) for row in rows]


def ongoing(town: Town, home: int) -> tuple[str, int]:
    """An ongoing agreement that a registered customer has accepted: its number and the account."""
    account = town.register(f"c{home}@customer.example", home, code=f"K7QF3MXP9TR{home}")
    number, tokens = town.invited(home, kind=Kind.ONGOING, customer=registered(home))
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=account)
    return number, account


def registered(home: int) -> Customer:
    return Customer(registered=True, email=f"c{home}@customer.example")


def test_a_rep_is_told_of_homes_that_came_and_went_on_the_day_on_which_the_hub_heard_of_it(
    town: Town, tmp_path: Path
) -> None:
    day = central_today(town.clock)
    load_reps(town, tmp_path, f"{esiid(0)},{BLUE},2026-10-01,", f"{esiid(1)},{PECAN},2019-01-01,2019-12-31")
    assert next_morning(town) == "1 enrollment files of 2 rows, 0 held back"
    rows = rows_of(town, PECAN, day, tmp_path)
    assert short(rows) == [("SERVICE", "ENDED", esiid(0)), ("SERVICE", "BEGAN", esiid(1))]
    assert (rows[0]["FROM_DATE"], rows[0]["TO_DATE"], rows[0]["TDSP_DUNS"]) == ("01/01/2020", "09/30/2026", TDSP)
    assert (rows[1]["FROM_DATE"], rows[1]["TO_DATE"]) == ("01/01/2019", "12/31/2019")


def test_several_loads_of_a_day_are_told_as_what_came_of_them(town: Town, tmp_path: Path) -> None:
    day = central_today(town.clock)
    load_reps(town, tmp_path, f"{esiid(0)},{PECAN},2020-01-01,2026-11-30")
    load_reps(town, tmp_path, f"{esiid(0)},{PECAN},2020-01-01,2026-11-15")
    next_morning(town)
    (row,) = rows_of(town, PECAN, day, tmp_path)
    assert (row["EVENT"], row["TO_DATE"]) == ("ENDED", "11/15/2026")
    load_reps(town, tmp_path, f"{esiid(0)},{PECAN},2020-01-01,2026-11-20")
    next_morning(town)
    (row,) = rows_of(town, PECAN, day + ONE_DAY, tmp_path)
    assert (row["EVENT"], row["TO_DATE"]) == ("CHANGED", "11/20/2026")


def test_a_third_party_is_told_of_agreements_in_force_and_of_no_other(town: Town, tmp_path: Path) -> None:
    day = central_today(town.clock)
    number, account = ongoing(town, 0)
    town.invite(1)
    _, tokens = town.invited(2)
    town.answer(Purpose.REJECT, tokens[Purpose.REJECT])
    next_morning(town)
    (row,) = rows_of(town, LANTERN, day, tmp_path)
    assert (row["ROW"], row["EVENT"], row["ESIID"]) == ("AGREEMENT", "BEGAN", esiid(0))
    assert (row["AGREEMENT_NUMBER"], row["AGREEMENT_TYPE"], row["STATUS"]) == (number, "ONGOING", "Active")
    assert (row["FROM_DATE"], row["TO_DATE"]) == (f"{day:%m/%d/%Y}", f"{town.row(number).end_day:%m/%d/%Y}")
    with town.store.write() as connection:
        terminate(connection, account, number, clock=town.clock)
    next_morning(town)
    (row,) = rows_of(town, LANTERN, day + ONE_DAY, tmp_path)
    assert (row["EVENT"], row["STATUS"]) == ("ENDED", "Terminated")
    assert next_morning(town).startswith("0 enrollment files")


def test_a_home_that_comes_to_an_agreement_over_all_meters_or_leaves_it_is_told(town: Town, tmp_path: Path) -> None:
    day, account = central_today(town.clock), town.register("c0@customer.example", 0)
    number, tokens = town.invited(kind=Kind.ONGOING, customer=registered(0), all_meters=True, meters=())
    town.answer(Purpose.ACCEPT, tokens[Purpose.ACCEPT], account_id=account)
    next_morning(town)
    assert short(rows_of(town, LANTERN, day, tmp_path)) == [("AGREEMENT", "BEGAN", esiid(0))]
    town.give_meters(account, 1)
    changed(town, account)
    next_morning(town)
    assert short(rows_of(town, LANTERN, day + ONE_DAY, tmp_path)) == [("AGREEMENT", "BEGAN", esiid(1))]
    with town.store.write() as connection:
        connection.execute(
            delete(account_meter).where(account_meter.c.premise_id == town.premises[0], account_meter.c.in_force)
        )
    changed(town, account)
    next_morning(town)
    (row,) = rows_of(town, LANTERN, day + 2 * ONE_DAY, tmp_path)
    assert (row["EVENT"], row["ESIID"], row["AGREEMENT_NUMBER"]) == ("ENDED", esiid(0), number)
    assert next_morning(town).startswith("0 enrollment files")


def changed(town: Town, account: int) -> None:
    with town.store.write() as connection:
        meters_changed(connection, account, clock=town.clock)


def test_nothing_is_published_twice_and_a_day_that_was_missed_is_made_up_for(town: Town, tmp_path: Path) -> None:
    day = central_today(town.clock)
    assert next_morning(town).startswith("0 enrollment files"), "the first day is known from now on"
    load_reps(town, tmp_path, f"{esiid(0)},{BLUE},2026-10-01,")
    town.later(days=1)
    load_reps(town, tmp_path, f"{esiid(1)},{BLUE},2026-10-01,")
    assert next_morning(town).startswith("2 enrollment files of 2 rows")
    assert rows_of(town, PECAN, day + ONE_DAY, tmp_path)
    assert rows_of(town, PECAN, day + 2 * ONE_DAY, tmp_path)
    for file in place(town, PECAN).iterdir():
        file.unlink()
    assert post_enrollments(town.hub, central_today(town.clock)).startswith("0 enrollment files")
    assert next_morning(town).startswith("0 enrollment files")
    assert list(place(town, PECAN).iterdir()) == []
    with town.store.read() as connection:
        lines = connection.execute(select(audit_log.c.details).where(audit_log.c.event == "enrollment:file:published"))
        assert [line.details["rows"] for line in lines] == [1, 1]


@pytest.mark.parametrize("why", ["no key", "suspended"])
def test_a_company_that_cannot_receive_gets_its_file_once_it_can(town: Town, tmp_path: Path, why: str) -> None:
    day = central_today(town.clock)
    change = {"openpgp_certificate": None} if why == "no key" else {"suspended_at": town.clock.now()}
    with town.store.write() as connection:
        connection.execute(update(company).where(company.c.legal_name == "Pecan Energy").values(change))
    load_reps(town, tmp_path, f"{esiid(0)},{BLUE},2026-10-01,")
    ongoing(town, 1)
    assert next_morning(town) == "1 enrollment files of 1 rows, 1 held back"
    with town.store.write() as connection:
        connection.execute(update(company).values(suspended_at=None))
    give_keys(town, PECAN)
    assert next_morning(town) == "1 enrollment files of 1 rows, 0 held back"
    assert short(rows_of(town, PECAN, day, tmp_path)) == [("SERVICE", "ENDED", esiid(0))]
    assert next_morning(town).startswith("0 enrollment files")


def test_files_go_when_postings_do_and_do_not_come_back(town: Town, tmp_path: Path) -> None:
    load_reps(town, tmp_path, f"{esiid(0)},{BLUE},2026-10-01,")
    next_morning(town)
    (file,) = place(town, PECAN).iterdir()
    town.later(days=town.hub.settings.limits.keep_files_days - 1)
    assert remove_expired_files(town.hub, central_today(town.clock)).endswith("0 enrollment files removed")
    assert file.exists()
    post_enrollments(town.hub, central_today(town.clock))
    town.later(days=1)
    assert remove_expired_files(town.hub, central_today(town.clock)).endswith("1 enrollment files removed")
    assert not file.exists()
    assert next_morning(town).startswith("0 enrollment files")


def test_a_crash_while_publishing_leaves_nothing_half_and_the_next_run_goes_on(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = central_today(town.clock)
    load_reps(town, tmp_path, f"{esiid(0)},{BLUE},2026-10-01,")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    town.later(days=1)
    with monkeypatch.context() as patched:
        patched.setattr(enrollment_files.publishing, "publish", full)
        with pytest.raises(OSError, match="No space"):
            post_enrollments(town.hub, central_today(town.clock))
    assert list(place(town, PECAN).iterdir()) == []
    assert post_enrollments(town.hub, central_today(town.clock)).startswith("1 enrollment files of 1 rows")
    assert rows_of(town, PECAN, day, tmp_path)
    assert list(town.hub.settings.work_folder.iterdir()) == []


OPEN, OTHER = ("1", None), ("2", None)


@pytest.mark.parametrize(
    ("before", "after", "event", "others"),
    [
        (None, OPEN, "BEGAN", None),
        (None, ("1", date(2026, 1, 1)), "BEGAN", None),
        (OPEN, OPEN, None, None),
        (OPEN, ("1", date(2026, 1, 1)), "ENDED", None),
        (("1", date(2026, 1, 1)), ("1", date(2026, 2, 1)), "CHANGED", None),
        (("1", date(2026, 1, 1)), OPEN, "CHANGED", None),
        (OPEN, OTHER, "ENDED", "BEGAN"),
        (OTHER, OPEN, "BEGAN", "ENDED"),
    ],
)
def test_what_became_of_a_service(before, after, event, others) -> None:
    assert service_event("1", before, after) == event
    assert service_event("2", before, after) == others


@pytest.mark.parametrize(
    ("acts", "event"),
    [
        ([], None),
        ([("initiate", None, "Pending")], None),
        ([("reject", "Pending", "Rejected")], None),
        ([("initiate", None, "Pending"), ("accept", "Pending", "Active")], "BEGAN"),
        ([("accept", "Pending", "Active"), ("complete", "Active", "Complete")], "ENDED"),
        ([("change", "Active", "Active")], "CHANGED"),
        ([("announce", "Active", "Active")], None),
        ([("ask_extension", "Active", "Extension Pending")], None),
        ([("accept", "Extension Pending", "Active")], "CHANGED"),
        ([("disown", "Active", "Frozen")], "ENDED"),
        ([("release", "Frozen", "Active")], "BEGAN"),
        ([("expire", "Active", "Expired")], "ENDED"),
    ],
)
def test_what_became_of_an_agreement(acts, event) -> None:
    assert agreement_event(acts) == event


def test_the_job_runs_every_morning_before_office_hours() -> None:
    (job,) = [one for one in TABLE if one.name == "enrollment"]
    (nightly,) = [one for one in TABLE if one.name == "agreements"]
    assert nightly.at < job.at
