"""P4, P10: an FTPS login holds only as long as everything that it proved does (both stores)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event
from two_companies import GULF, PECAN, REAL_NOW

from smt_ws.parties import companies, ftps_accounts, networks

PASSWORD = "right horse battery"
HERE = "192.0.2.7"


@pytest.fixture
def certificate(two_companies, operator, register) -> str:
    ftps_accounts.set_ftps_password(two_companies, duns=PECAN, password=PASSWORD, **vars(operator))
    return register(PECAN, "pecan-tls")


@pytest.fixture
def login(two_companies, certificate):
    """An account as it was when its session began."""
    account = ftps_accounts.ftps_account(two_companies, PECAN, now=REAL_NOW)
    assert account.still_stands(certificate, HERE)
    return account


CHANGES = {
    "suspended": lambda store, _, by: companies.suspend(store, duns=PECAN, **by),
    "certificate withdrawn": lambda store, sha256, by: companies.withdraw_certificate(
        store, duns=PECAN, sha256=sha256, **by
    ),
    "password changed": lambda store, _, by: ftps_accounts.set_ftps_password(
        store, duns=PECAN, password=PASSWORD + "!", **by
    ),
    "password set anew": lambda store, _, by: ftps_accounts.set_ftps_password(
        store, duns=PECAN, password=PASSWORD, **by
    ),
    "other addresses": lambda store, _, by: networks.allow_network(store, duns=PECAN, network="198.51.100.0/28", **by),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_open_login_holds_no_longer_once_something_it_proved_has_changed(
    two_companies, operator, certificate, login, change
):
    CHANGES[change](two_companies, certificate, vars(operator))
    assert not login.still_stands(certificate, HERE)


def test_a_company_that_is_resumed_and_an_address_that_is_allowed_go_on(two_companies, operator, certificate, login):
    companies.suspend(two_companies, duns=PECAN, **vars(operator))
    companies.resume(two_companies, duns=PECAN, **vars(operator))
    networks.allow_network(two_companies, duns=PECAN, network="192.0.2.0/28", **vars(operator))
    assert login.still_stands(certificate, HERE)
    assert not login.still_stands(certificate, "192.0.2.16")


def test_another_certificate_or_one_that_has_ended_does_not_hold(two_companies, certificate, login, register):
    gulf, signing = register(GULF, "gulf"), register(PECAN, "pecan-signing", for_tls=False)
    for other in (gulf, signing, "ab" * 32, ""):
        assert not login.still_stands(other, HERE)
    for days in (-1, 1000):
        late = ftps_accounts.ftps_account(two_companies, PECAN, now=REAL_NOW + timedelta(days=days))
        assert not late.still_stands(certificate, HERE)


def test_it_is_one_question(two_companies, certificate, login):
    asked = []
    event.listen(two_companies.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert login.still_stands(certificate, HERE)
    assert len([one for one in asked if one.lstrip().upper().startswith("SELECT")]) == 1


@pytest.mark.parametrize("name", ["", "a\x00b", "\udcff", "1" * 5000, "١" * 9, "../" + PECAN, PECAN + "\n"])
def test_a_user_name_that_is_no_duns_number_is_unknown_without_asking_the_store(two_companies, name):
    asked = []
    event.listen(two_companies.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert ftps_accounts.ftps_account(two_companies, name) is None
    assert asked == []
