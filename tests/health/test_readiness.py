"""Readiness says what is wrong, and only what keeps requests from being served takes the hub out of service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from smt_ws.clock import real_now
from smt_ws.health.figures import look
from smt_ws.health.readiness import Check, Readiness, State, examine
from smt_ws.orders.tables import report_order
from smt_ws.parties.tables import company
from smt_ws.store import audit, audit_chain
from smt_ws.store.heartbeat import CLOCK, beat
from smt_ws.store.outbox import enqueue
from smt_ws.store.tables import heartbeat, outbox


def by_name(readiness: Readiness) -> dict[str, list[Check]]:
    found: dict[str, list[Check]] = {}
    for check in readiness.checks:
        found.setdefault(check.name, []).append(check)
    return found


def states(hub) -> dict[str, State]:
    """The worst state of each check."""
    order = list(State)
    return {
        name: max((check.state for check in checks), key=order.index)
        for name, checks in by_name(examine(hub).readiness).items()
    }


def test_a_hub_that_is_well_says_so_check_by_check(store_url, hub_of) -> None:
    hub = hub_of(store_url)
    beat(hub.store, CLOCK)
    readiness = examine(hub).readiness
    assert {(check.name, check.state) for check in readiness.checks} == {
        (name, State.OK)
        for name in ("database", "queue", "outbox", "dead_letters", "scheduler", "files", "disk", "certificate")
    }
    assert (readiness.ready, readiness.state) == (True, State.OK)
    told = readiness.told()
    assert set(told) == {"ready", "state", "checks"}
    assert set(told["checks"][0]) == {"name", "state", "reason", "observed", "limit"}


def company_with_order(hub, *, number: int = 1, minutes: float = 60) -> None:
    with hub.store.write() as connection:
        connection.execute(
            insert(company).values(
                id=number, legal_name=f"c{number}", kind="REP", email="it@c.example", created_at=hub.clock.now()
            )
        )
        connection.execute(
            insert(report_order).values(
                company_id=number, duns="111111111", trans_id="t", requestor_id="r", report="interval", format="CSV",
                csv_profile="standard", version="L", reading_type="A", delivery_mode="FTP",
                first_day=hub.clock.now().date(), last_day=hub.clock.now().date(), as_of_load=1, status="Pending",
                esiids_asked=1, days_asked=1, exceptions=b"", accepted_at=hub.clock.now() - timedelta(minutes=minutes),
            )
        )  # fmt: skip


def test_what_waits_too_long_is_a_warning_with_its_age(store_url, hub_of) -> None:
    hub = hub_of(store_url, queue_minutes=30, outbox_minutes=20, clock_seconds=100)
    company_with_order(hub, minutes=31)
    now = real_now()
    with hub.store.write() as connection:
        for key in ("a", "b"):
            enqueue(connection, kind="email", key=key, payload={}, now=now)
        connection.execute(
            update(outbox).where(outbox.c.dedupe_key == "a").values(not_before=now - timedelta(minutes=21))
        )
        connection.execute(insert(heartbeat).values(name=CLOCK, holder="h:7", at=now - timedelta(seconds=101)))
    readiness = examine(hub).readiness
    checks = by_name(readiness)
    for name, at_least, limit in (("queue", 31 * 60, 30 * 60), ("outbox", 21 * 60, 20 * 60), ("scheduler", 101, 100)):
        (check,) = checks[name]
        assert check.state is State.WARN
        assert check.limit == limit
        assert at_least <= check.observed < at_least + 30
    assert "h:7" in checks["scheduler"][0].reason
    # a warning leaves the hub in service
    assert (readiness.ready, readiness.state) == (True, State.WARN)


def test_just_below_a_limit_nothing_is_said(store_url, hub_of) -> None:
    hub = hub_of(store_url, queue_minutes=30)
    company_with_order(hub, minutes=29)
    assert states(hub)["queue"] is State.OK


def test_an_order_of_a_suspended_company_may_wait(store_url, hub_of) -> None:
    """P10: it waits because it was told to."""
    hub = hub_of(store_url)
    company_with_order(hub, minutes=600)
    assert states(hub)["queue"] is State.WARN
    with hub.store.write() as connection:
        connection.execute(update(company).values(suspended_at=hub.clock.now()))
    assert states(hub)["queue"] is State.OK


def test_dead_letters_are_named_by_kind(store_url, hub_of) -> None:
    hub = hub_of(store_url)
    with hub.store.write() as connection:
        for kind, key in (("email", "a"), ("email", "b"), ("callback", "c")):
            enqueue(connection, kind=kind, key=key, payload={}, now=real_now())
        connection.execute(update(outbox).values(dead_at=real_now()))
    (check,) = by_name(examine(hub).readiness)["dead_letters"]
    assert (check.state, check.observed) == (State.WARN, 3)
    assert "callback 1, email 2" in check.reason
    assert states(hub_of(store_url, dead_letters=3))["dead_letters"] is State.OK


def test_a_scheduler_that_never_ran_is_a_warning(store_url, hub_of) -> None:
    hub = hub_of(store_url)
    assert states(hub)["scheduler"] is State.WARN


def test_unsealed_audit_lines_are_counted(store_url, hub_of) -> None:
    hub = hub_of(store_url)
    for sealed in (False, True, False):
        with hub.store.write() as connection:
            audit.record(connection, audit.Event.LOAD_DONE, actor="hub:load", at=hub.clock.now())
        if sealed:
            audit_chain.seal(hub.store)
    seen = look(hub)
    assert (seen.audit_sealed, seen.audit_unsealed) == (2, 1)


@pytest.fixture
def sqlite_url(migrated_sqlite: Path) -> str:
    return f"sqlite:///{migrated_sqlite}"


def test_a_short_disk_takes_the_hub_out_of_service(sqlite_url, hub_of) -> None:
    readiness = examine(hub_of(sqlite_url, disk_free_bytes=2**60)).readiness
    (check,) = by_name(readiness)["disk"]
    assert (check.state, check.limit, readiness.ready) == (State.FAIL, 2**60, False)
    assert 0 < check.observed < 2**60


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ({"tls": -0.01}, State.FAIL),
        ({"signing": -0.01}, State.FAIL),
        ({"tls": 29.9}, State.WARN),
        ({"signing": 29.9}, State.WARN),
        ({"tls": 30.1, "signing": 30.1}, State.OK),
        # its own clients are shut out, those of the other authority are not
        ({"authorities": (-1, 400)}, State.WARN),
    ],
)
def test_certificates_warn_before_they_end_and_fail_after(
    sqlite_url, hub_of, write_certificates, ends: dict[str, float], state: State
) -> None:
    write_certificates(**ends)
    assert states(hub_of(sqlite_url, certificate_days=30))["certificate"] is state


@pytest.mark.parametrize(
    ("days", "mode", "state"),
    [
        (6, "refuse", State.OK),
        (0.9, "refuse", State.WARN),
        (-0.1, "refuse", State.FAIL),
        (-0.1, "serve", State.WARN),
    ],
)
def test_a_late_revocation_list_is_as_bad_as_its_mode_makes_it(
    sqlite_url, hub_of, write_certificates, tmp_path, days: float, mode: str, state: State
) -> None:
    write_certificates(crl=days)
    hub = hub_of(sqlite_url, tls={"crl": tmp_path / "certs" / "ca.crl", "when_crl_expired": mode})
    assert states(hub)["certificate"] is state


def test_what_cannot_be_looked_at_fails_and_hides_the_address(hub_of, tmp_path) -> None:
    hub = hub_of("postgresql://operator:hunter2@127.0.0.1:1/hub")
    (tmp_path / "certs" / "hub-tls.crt").write_text("no certificate")
    readiness = examine(hub).readiness
    checks = by_name(readiness)
    assert checks["database"][0].state is State.FAIL
    assert checks["certificate"][0].state is State.FAIL
    assert checks["disk"][0].state is State.OK
    assert not readiness.ready
    assert not {"hunter2", "operator", "127.0.0.1"} & set(str(readiness.told()).replace("'", " ").split())
    assert "hunter2" not in str(readiness.told())


def test_an_old_schema_is_told_with_what_to_do(hub_of, tmp_path) -> None:
    readiness = examine(hub_of(f"sqlite:///{tmp_path}/empty.db")).readiness
    assert "smt-ws db upgrade" in by_name(readiness)["database"][0].reason
    assert not readiness.ready
