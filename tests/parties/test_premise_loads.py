"""U6, U8, P10: what TDSPs tell of premises, meters, REPs of record and occupancy, put into the store."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from adapters.market_csv import MeterRow, OccupancyRow, PremiseRow, RepOfRecordRow
from smt_ws.parties import premises
from smt_ws.parties.rules import Spell, with_spell
from smt_ws.parties.tables import meter, occupancy, premise, rep_of_record

TDSP, OTHER_TDSP = "1039940674000", "957877905"
REP_1, REP_2 = "111111111", "222222222"
PREMISE_COUNT = 3_000


def esiid(n: int) -> str:
    return f"1044372{n:010}"


def premise_row(n: int, line: int = 2, tdsp: str = TDSP, **values: str) -> PremiseRow:
    described = {
        "service_address": f"{n} Example St", "city": "Dallas", "state": "TX", "zip": "75201",
        "premise_type": "RESIDENTIAL", "status": "ACTIVE",
    }  # fmt: skip
    return PremiseRow(line, esiid(n), tdsp, **{**described, **values})


def service(n: int, duns: str, first: str, last: str | None = None, line: int = 2) -> RepOfRecordRow:
    return RepOfRecordRow(line, esiid(n), duns, date.fromisoformat(first), date.fromisoformat(last) if last else None)


def hung(
    n: int, number: str, installed: str, provisioned: str | None = None, removed: str | None = None, line: int = 2
):
    days = [date.fromisoformat(d) if d else None for d in (installed, provisioned, removed)]
    return MeterRow(line, esiid(n), number, *days, None, None, None, None, None)


@pytest.fixture
def apply(store):
    """Runs one file's rows as the next load, and remembers its number."""
    numbers = iter(range(1, 100))

    def run(function, *rows, tdsp: str | None = TDSP):
        with store.write() as connection:
            return function(connection, list(rows), load_number=next(numbers), tdsp_duns=tdsp)

    return run


@pytest.fixture
def known(apply):
    apply(premises.apply_premises, *(premise_row(n) for n in range(5)))
    return apply


def rows_of(store, table, *columns):
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(*table.primary_key.columns))]


def counts(applied):
    return applied.loaded, applied.replaced, applied.unchanged, [(r.line, r.code) for r in applied.rejects]


def test_premises_are_added_replaced_and_left_alone_u6(apply, store):
    assert counts(apply(premises.apply_premises, premise_row(1), premise_row(2, 3))) == (2, 0, 0, [])
    again = apply(premises.apply_premises, premise_row(1), premise_row(2, 3, status="INACTIVE"), premise_row(3, 4))
    assert counts(again) == (1, 1, 1, [])
    held = rows_of(store, premise, premise.c.esiid, premise.c.status, premise.c.load_number)
    assert held == [(esiid(1), "ACTIVE", 1), (esiid(2), "INACTIVE", 2), (esiid(3), "ACTIVE", 2)]


def test_a_premise_row_that_cannot_be_taken_costs_no_other_its_place_u4_u5(known, store):
    applied = known(
        premises.apply_premises,
        premise_row(7, 2),
        premise_row(7, 3, city="Austin"),
        premise_row(8, 4, tdsp=OTHER_TDSP),
        premise_row(9, 5, city="x" * 101),
        premise_row(10, 6),
    )
    assert counts(applied) == (2, 0, 0, [(3, "DUPLICATE"), (4, "WRONG_TDSP"), (5, "VALUE_TOO_LONG")])
    taken_over = known(premises.apply_premises, premise_row(1, tdsp=OTHER_TDSP), tdsp=OTHER_TDSP)
    assert counts(taken_over) == (0, 0, 0, [(2, "WRONG_TDSP")])
    assert (esiid(1), TDSP) in rows_of(store, premise, premise.c.esiid, premise.c.tdsp_duns)


@pytest.mark.parametrize(
    ("function", "row"),
    [
        (premises.apply_reps_of_record, lambda n: service(n, REP_1, "2026-01-01")),
        (premises.apply_meters, lambda n: hung(n, "M1", "2026-01-01")),
        (premises.apply_occupancies, lambda n: OccupancyRow(2, esiid(n), date(2026, 1, 1), None)),
    ],
)
def test_only_the_premises_own_tdsp_tells_of_it_u5(known, function, row):
    assert counts(known(function, row(1), tdsp=OTHER_TDSP)) == (0, 0, 0, [(2, "WRONG_TDSP")])
    assert counts(known(function, row(99))) == (0, 0, 0, [(2, "ESIID_UNKNOWN")])
    assert counts(known(function, row(1), tdsp=None)) == (1, 0, 0, [])
    assert counts(known(function, row(1))) == (0, 0, 1, [])


def test_a_new_rep_ends_the_open_service_the_day_before_p10(known, store):
    known(premises.apply_reps_of_record, service(1, REP_1, "2024-01-01"))
    switch = known(premises.apply_reps_of_record, service(1, REP_2, "2026-03-10"))
    assert (counts(switch), switch.ended) == ((1, 0, 0, []), 1)
    columns = (rep_of_record.c.from_day, rep_of_record.c.to_day, rep_of_record.c.duns, rep_of_record.c.load_number)
    assert rows_of(store, rep_of_record, *columns) == [
        (date(2024, 1, 1), date(2026, 3, 9), REP_1, 3),
        (date(2026, 3, 10), None, REP_2, 3),
    ]
    # The whole history once more, in any order: nothing changes.
    again = known(
        premises.apply_reps_of_record, service(1, REP_2, "2026-03-10"), service(1, REP_1, "2024-01-01", line=3)
    )
    assert counts(again) == (0, 0, 2, [])


def test_a_service_that_overlaps_otherwise_is_rejected_with_its_line(known, store):
    known(premises.apply_reps_of_record, service(1, REP_1, "2024-01-01", "2026-03-10"))
    applied = known(
        premises.apply_reps_of_record,
        service(1, REP_2, "2026-03-10", line=2),
        service(1, REP_2, "2023-01-01", line=3),
        service(1, REP_2, "2024-01-01", line=4),
        service(1, REP_2, "2026-03-11", line=5),
    )
    assert counts(applied) == (1, 0, 0, [(3, "SERVICE_OVERLAPS"), (4, "SERVICE_OVERLAPS"), (2, "SERVICE_OVERLAPS")])
    assert len(rows_of(store, rep_of_record, rep_of_record.c.from_day)) == 2


def test_a_service_gets_its_end_later(known, store):
    known(premises.apply_reps_of_record, service(1, REP_1, "2024-01-01"))
    assert counts(known(premises.apply_reps_of_record, service(1, REP_1, "2024-01-01", "2026-05-31"))) == (0, 1, 0, [])
    assert rows_of(store, rep_of_record, rep_of_record.c.to_day) == [(date(2026, 5, 31),)]


def test_a_meter_exchange_keeps_the_history_u8(known, store):
    known(premises.apply_meters, hung(1, "OLD", "2020-01-01", "2020-02-01"))
    applied = known(premises.apply_meters, hung(1, "NEW", "2026-06-10", "2026-07-01"))
    assert (counts(applied), applied.ended) == ((1, 0, 0, []), 1)
    assert rows_of(store, meter, meter.c.meter_number, meter.c.removed_on) == [
        ("NEW", None),
        ("OLD", date(2026, 6, 10)),
    ]
    again = known(
        premises.apply_meters, hung(1, "OLD", "2020-01-01", "2020-02-01"), hung(1, "NEW", "2026-06-10", "2026-07-01")
    )
    assert counts(again) == (0, 0, 2, [])


def test_a_meter_is_hung_first_and_provisioned_later_u8(known, store):
    known(premises.apply_meters, hung(1, "M1", "2026-06-10"))
    applied = known(
        premises.apply_meters, hung(1, "M1", "2026-06-10", "2026-07-20"), hung(1, "M1", "2026-06-10", line=3)
    )
    assert counts(applied) == (0, 1, 0, [(3, "DUPLICATE")])
    assert rows_of(store, meter, meter.c.provisioned_on, meter.c.removed_on) == [(date(2026, 7, 20), None)]


def test_a_move_in_ends_the_stay_before_it_r5(known, store):
    stays = [OccupancyRow(2, esiid(1), date(2024, 1, 1), None), OccupancyRow(3, esiid(1), date(2026, 6, 1), None)]
    assert counts(known(premises.apply_occupancies, *stays)) == (2, 0, 0, [])
    assert rows_of(store, occupancy, occupancy.c.move_in_day, occupancy.c.move_out_day) == [
        (date(2024, 1, 1), date(2026, 5, 31)),
        (date(2026, 6, 1), None),
    ]


def test_a_rep_fails_and_all_its_premises_move_overnight_p10(apply, store):
    apply(premises.apply_premises, *(premise_row(n, n + 2) for n in range(PREMISE_COUNT)))
    apply(premises.apply_reps_of_record, *(service(n, REP_1, "2024-01-01", line=n + 2) for n in range(PREMISE_COUNT)))
    moved = apply(
        premises.apply_reps_of_record, *(service(n, REP_2, "2026-11-20", line=n + 2) for n in range(PREMISE_COUNT))
    )
    assert (moved.loaded, moved.ended, moved.rejects) == (PREMISE_COUNT, PREMISE_COUNT, [])
    with store.read() as connection:
        still = connection.execute(
            select(rep_of_record.c.duns, func.count())
            .where(rep_of_record.c.to_day.is_(None))
            .group_by(rep_of_record.c.duns)
        ).all()
    assert [tuple(row) for row in still] == [(REP_2, PREMISE_COUNT)]


def test_a_file_without_rows_changes_nothing(known):
    for function in (premises.apply_premises, premises.apply_meters, premises.apply_reps_of_record):
        assert counts(known(function)) == (0, 0, 0, [])


DAYS = st.integers(0, 40).map(lambda n: date(2026, 6, 1) + timedelta(days=n))
SPELLS = st.builds(
    lambda a, b, who: Spell(a, None if b is None else max(a, b), who),
    DAYS,
    st.one_of(st.none(), DAYS),
    st.sampled_from("AB"),
)


@given(st.lists(SPELLS, max_size=8))
def test_whatever_comes_spells_stay_ordered_and_disjoint_and_a_repeat_changes_nothing_p10(coming):
    spells: list[Spell] = []
    for new in coming:
        placed = with_spell(spells, new)
        if placed is None:
            continue
        assert any(one.first == new.first and one.who == new.who for one in placed)
        assert with_spell(placed, new) == placed
        for one, following in pairwise(placed):
            assert one.last is not None
            assert one.first <= one.last < following.first
        # Nobody else's days are taken away, except the end of what was open.
        for one in spells:
            kept = next(other for other in placed if other.first == one.first)
            assert kept.last == one.last or one.last is None or one.first == new.first
        spells = placed
