"""P7: what was sealed cannot be changed, removed or added to without `verify` saying where."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from smt_ws.store import audit, audit_chain
from smt_ws.store.audit_chain import LONGEST_TRANSACTION, head, seal, verify
from smt_ws.store.engine import Store

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def write(store: Store, *numbers: int, at: datetime = AT) -> None:
    for number in numbers:
        with store.write() as connection:
            audit.record(
                connection,
                audit.Event.ORDER_ACCEPTED,
                actor="company:1",
                at=at + timedelta(seconds=number),
                object=f"order:{number}",
                details={"esiids": number, "ü": [1.5, None, True]},
                address="2001:db8::1",
            )


def behind_its_back(store: Store, *statements: str, **values: object) -> None:
    """Run *statements* as somebody who owns the database and takes the triggers off."""
    with store.write() as connection:
        if not store.is_sqlite:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("audit_log", "audit_link") if store.is_sqlite else ():
            for action in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{action}"))
        for statement in statements:
            connection.execute(text(statement), values)


def head_of(store: Store) -> audit_chain.Head:
    with store.read() as connection:
        return head(connection)


def test_every_line_is_sealed_once_and_the_chain_holds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "_BATCH", 3)
    assert verify(store).sealed == 0
    write(store, *range(8))
    assert (verify(store).sealed, verify(store).unsealed) == (0, 8)
    assert seal(store) == 8
    assert seal(store) == 0
    write(store, 8)
    assert seal(store, thorough=True) == 1
    verdict = verify(store)
    assert (verdict.sealed, verdict.unsealed, verdict.flaw) == (9, 0, None)
    assert verdict.head == head_of(store)


def test_the_chain_cannot_be_rewritten_by_accident(store: Store) -> None:
    write(store, 1)
    seal(store)
    for statement in ("UPDATE audit_link SET position = 7", "DELETE FROM audit_link"):
        with pytest.raises(Exception, match="append-only"), store.write() as connection:
            connection.execute(text(statement))


CHANGES = {
    "actor": "'company:2'",
    "object": "'order:9'",
    "event": "'order:cancel:done'",
    "address": "NULL",
    "certificate_sha256": "'ab'",
    "details": """'{"esiids": 3, "ü": [1.5, null, false]}'""",
    "at": "'2026-11-20 15:00:03.000001'",
}


def test_a_change_of_any_column_is_found(store: Store) -> None:
    write(store, *range(1, len(CHANGES) + 1))
    seal(store)
    # from the last line up: each change is the first flaw in its turn
    for line, (column, value) in zip(range(len(CHANGES), 0, -1), CHANGES.items(), strict=True):
        behind_its_back(store, f"UPDATE audit_log SET {column} = {value} WHERE id = {line}")
        flaw = verify(store, times=False).flaw
        assert flaw is not None, column
        assert (flaw.position, flaw.audit_id) == (line, line), column
        assert "not what was sealed" in flaw.what


def test_a_removed_line_is_found(store: Store) -> None:
    write(store, *range(5))
    seal(store)
    behind_its_back(store, "DELETE FROM audit_log WHERE id = 2")
    flaw = verify(store).flaw
    assert flaw is not None
    assert (flaw.position, flaw.audit_id) == (2, 2)
    assert "no longer in the log" in flaw.what


def test_a_line_removed_with_its_link_is_found(store: Store) -> None:
    write(store, *range(5))
    seal(store)
    behind_its_back(store, "DELETE FROM audit_log WHERE id = 2", "DELETE FROM audit_link WHERE audit_id = 2")
    flaw = verify(store).flaw
    assert flaw is not None
    assert (flaw.position, flaw.audit_id) == (2, None)
    # and where the links are closed up over it
    behind_its_back(store, *(f"UPDATE audit_link SET position = {n} WHERE position = {n + 1}" for n in (2, 3, 4)))
    flaw = verify(store).flaw
    assert flaw is not None
    assert (flaw.position, flaw.audit_id) == (2, 3)


def test_an_end_cut_off_is_found_by_a_head_that_was_kept(store: Store) -> None:
    write(store, *range(5))
    seal(store)
    kept = head_of(store)
    behind_its_back(store, "DELETE FROM audit_link WHERE position > 3", "DELETE FROM audit_log WHERE id > 3")
    assert verify(store).flaw is None  # nothing in the store can know
    flaw = verify(store, heads={kept.position: kept.sha256}).flaw
    assert flaw is not None
    assert (flaw.position, flaw.audit_id) == (3, None)


def test_a_chain_sealed_anew_is_found_by_a_head_that_was_kept(store: Store) -> None:
    write(store, *range(5))
    seal(store)
    kept = head_of(store)
    behind_its_back(store, "DELETE FROM audit_link", "UPDATE audit_log SET actor = 'company:9' WHERE id = 4")
    seal(store)
    assert verify(store).flaw is None
    flaw = verify(store, heads={kept.position: kept.sha256}).flaw
    assert flaw is not None
    assert (flaw.position, "head was kept" in flaw.what) == (5, True)


def slip_in(store: Store, number: int, at: str = "2026-11-20 15:00:02.000000") -> None:
    with store.write() as connection:
        connection.execute(
            text(
                "INSERT INTO audit_log (id, at, event, actor, details)"
                f" VALUES ({number}, '{at}', 'order:place:accepted', 'company:1', '{{}}')"
            )
        )


def test_a_line_slipped_in_under_an_old_number_is_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    monkeypatch.setattr(audit_chain, "real_now", lambda: now)
    for number in (3, 5):
        slip_in(store, number)
    seal(store)
    later = now + LONGEST_TRANSACTION
    monkeypatch.setattr(audit_chain, "real_now", lambda: later)
    slip_in(store, 2)
    seal(store)
    assert verify(store, times=False).flaw is None  # a long transaction may have written this one
    much_later = later + timedelta(seconds=1)
    monkeypatch.setattr(audit_chain, "real_now", lambda: much_later)
    slip_in(store, 4)
    seal(store)
    flaw = verify(store, times=False).flaw
    assert flaw is not None
    assert flaw.audit_id == 4
    assert "came long after line 5" in flaw.what


def test_a_line_that_claims_to_be_old_is_found_where_clocks_stand_right(store: Store) -> None:
    write(store, 1, 2)
    write(store, 3, at=AT - timedelta(days=40))
    seal(store)
    assert verify(store, times=False).flaw is None
    flaw = verify(store).flaw
    assert flaw is not None
    assert flaw.audit_id == 3


def test_a_line_committed_late_is_sealed_when_it_appears(store: Store) -> None:
    if store.is_sqlite:
        pytest.skip("one writer at a time: numbers are committed in order")
    with store.write() as slow:
        audit.record(slow, audit.Event.LOAD_DONE, actor="hub:load", at=AT)
        write(store, 1, 2)
        assert seal(store) == 2
    assert seal(store) == 1
    assert verify(store).flaw is None


def test_several_sealers_at_once_make_one_chain(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "_BATCH", 4)
    write(store, *range(20))
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(seal(store))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 20
    verdict = verify(store)
    assert (verdict.sealed, verdict.flaw) == (20, None)


text_values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | text_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text_values, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(details=st.dictionaries(text_values, values, max_size=3), micros=st.integers(0, 999_999))
def test_whatever_a_line_holds_reads_back_as_it_was_sealed(store: Store, details: dict, micros: int) -> None:
    with store.write() as connection:
        audit.record(
            connection,
            audit.Event.ORDER_ACCEPTED,
            actor="company:1",
            at=AT + timedelta(microseconds=micros),
            details=details,
        )
    assert seal(store) == 1
    assert verify(store).flaw is None
