"""What a company tells customers of itself (P8, A22)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from two_companies import PECAN

from smt_ws.clock import FixedClock
from smt_ws.parties.companies import add_company
from smt_ws.parties.errors import CompanyUnknownError, InvalidCompanyError
from smt_ws.parties.profile import Profile, profile_of, set_profile
from smt_ws.store.engine import Store
from smt_ws.store.tables import audit_log


def test_a_profile_is_set_field_by_field_and_bad_ones_are_refused(store: Store, clock: FixedClock):
    actor = "operator:me"
    add_company(store, legal_name="Pecan", kind="REP", email="a@b.example", duns=[PECAN], actor=actor, clock=clock)

    def told(**fields: Any) -> Profile:
        set_profile(store, duns=PECAN, profile=Profile(**fields), actor=actor, clock=clock)
        return profile_of(store, PECAN)

    assert profile_of(store, PECAN) == Profile(None, None, None, 0)
    assert told(contact_name="Ana Ruiz", privacy_url="https://pecan.example/privacy").contact_name == "Ana Ruiz"
    assert told(contact_phone="512-555-0100") == Profile("Ana Ruiz", "512-555-0100", "https://pecan.example/privacy", 0)
    assert told(history_months=12).history_months == 12, "A24"
    assert told(history_months=0).history_months == 0
    assert told(privacy_url="").privacy_url is None
    for wrong in (
        {"privacy_url": "http://pecan.example"},
        {"privacy_url": "javascript:alert(1)"},
        {"privacy_url": "https://"},
        {"contact_name": "two\nlines"},
        {"contact_phone": "call me"},
        {"history_months": 25},
    ):
        with pytest.raises(InvalidCompanyError):
            told(**wrong)
    with pytest.raises(CompanyUnknownError):
        profile_of(store, "999999999")
    with store.read() as connection:
        assert "company:change:done" in connection.scalars(select(audit_log.c.event)).all()
