"""Both stores join 50,000 strings, copy rows in bulk and serialise writers in the same way."""

import threading
import time
from datetime import date

import pytest
from fresh_schema import fresh_schema
from sqlalchemy import insert, select, text

from smt_ws.parties.tables import premise, rep_of_record
from smt_ws.store.dialect import among, copy_rows, integers, lock, try_lock, unlock, unnested
from smt_ws.store.engine import Store
from smt_ws.usage.tables import interval_day_history


def test_strings_are_joined_in_their_order(store):
    asked = [f"{n:017d}" for n in range(50_000)]
    with store.write() as connection:
        copied = copy_rows(
            connection, premise, ["esiid", "tdsp_duns", "load_number"], [(e, "1", 1) for e in asked[::7]]
        )
        strings = unnested(connection, asked)
        found = connection.execute(
            select(strings.c.position, premise.c.esiid).join(premise, premise.c.esiid == strings.c.value)
        ).all()
    assert copied == len(asked[::7])
    assert sorted((row.position, row.esiid) for row in found) == [(n, asked[n]) for n in range(0, 50_000, 7)]


def test_copied_rows_come_back_as_they_went_in(store):
    with store.write() as connection:
        if not store.is_sqlite:
            connection.execute(
                text(
                    "CREATE TABLE interval_day_history_y2026m11 PARTITION OF interval_day_history "
                    "FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')"
                )
            )
        row = (5, 4, date(2026, 11, 1), 1, 2, bytes(range(200)) * 2, None)
        names = ["premise_id", "channel", "operating_day", "load_number", "replaced_by", "wh", "statuses"]
        assert copy_rows(connection, interval_day_history, names, [row]) == 1
    with store.read() as connection:
        found = connection.execute(select(*(interval_day_history.c[name] for name in names))).one()
    assert tuple(found) == row


def test_a_failed_copy_leaves_nothing(store):
    with pytest.raises(Exception, match=r"(?i)null"), store.write() as connection:
        copy_rows(connection, rep_of_record, ["premise_id", "from_day", "duns", "load_number"], [(1, None, "1", 1)])
    with store.read() as connection:
        assert connection.execute(select(rep_of_record)).all() == []


def test_a_lock_is_held_by_one_session_and_goes_with_it(store):
    if store.is_sqlite:
        pytest.skip("on SQLite the write transaction is the lock")
    with store.read() as one, store.read() as other:
        with lock(one, "load:1"):
            assert not try_lock(other, "load:1")
            assert try_lock(other, "load:2")
        assert try_lock(other, "load:1")
        unlock(other, "load:1")


def test_hubs_in_schemas_of_one_database_do_not_share_a_lock(postgresql_server):
    """A lock belongs to the database: with the schema in its number each hub has its own scheduler and loads."""
    with fresh_schema(postgresql_server) as one, fresh_schema(postgresql_server) as other:
        stores = [Store(one), Store(other), Store(one)]
        try:
            with stores[0].read() as mine, stores[1].read() as theirs, stores[2].read() as mine_again:
                assert try_lock(mine, "jobs.clock")
                assert try_lock(theirs, "jobs.clock")
                assert not try_lock(mine_again, "jobs.clock")
                unlock(theirs, "jobs.clock")
                assert not try_lock(mine_again, "jobs.clock")
                unlock(mine, "jobs.clock")
                assert try_lock(mine_again, "jobs.clock")
                unlock(mine_again, "jobs.clock")
        finally:
            for opened in stores:
                opened.close()


def test_writers_queue_instead_of_failing(store):
    """BEGIN IMMEDIATE: no writer is told 'database is locked' because another one was first."""
    failures = []

    def write(n: int) -> None:
        try:
            for k in range(20):
                with store.write() as connection:
                    copy_rows(connection, premise, ["esiid", "tdsp_duns", "load_number"], [(f"{n}-{k}", "1", 1)])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_snapshot_does_not_see_what_is_committed_after_it_began(store):
    with store.read() as snapshot:
        assert snapshot.execute(select(premise)).all() == []
        writer = threading.Thread(target=_add_premise, args=(store,))
        writer.start()
        writer.join()
        time.sleep(0.01)
        assert snapshot.execute(select(premise)).all() == []


def test_a_snapshot_cannot_write_on_postgresql(store):
    if store.is_sqlite:
        pytest.skip("SQLite has no read-only transaction on a shared file")
    with pytest.raises(Exception, match="read-only"), store.read() as connection:
        copy_rows(connection, premise, ["esiid", "tdsp_duns", "load_number"], [("1", "1", 1)])


def _add_premise(store):
    with store.write() as connection:
        copy_rows(connection, premise, ["esiid", "tdsp_duns", "load_number"], [("1", "1", 1)])


@pytest.mark.parametrize("odd", [[""], ["", "a"], ["a\nb", "c"], ["a", ""], []])
def test_odd_strings_are_joined_too(store, odd):
    with store.read() as connection:
        strings = unnested(connection, odd)
        rows = connection.execute(select(strings.c.value).order_by(strings.c.position)).scalars().all()
    assert rows == odd


def _premises(connection, *numbers):
    rows = [{"id": n, "esiid": f"{n:017d}", "tdsp_duns": "1", "load_number": -n} for n in numbers]
    connection.execute(insert(premise), rows)


def test_numbers_are_found_among_many(store):
    with store.write() as connection:
        _premises(connection, *range(1, 8), 2**40)
        for wanted, found in (([5, 2, 99, 2**40], [2, 5, 2**40]), ([], [])):
            listed = select(premise.c.id).where(among(connection, premise.c.id, wanted)).order_by(premise.c.id)
            assert connection.scalars(listed).all() == found


def test_rows_of_whole_numbers_come_as_one_array(store):
    with store.write() as connection:
        _premises(connection, 1, 7, 2**40)
        question = select(premise.c.id, premise.c.load_number * 2).order_by(premise.c.id)
        assert integers(connection, question).tolist() == [[1, -2], [7, -14], [2**40, -(2**41)]]
        assert integers(connection, question.where(premise.c.id == 9)).shape == (0, 2)
