"""Whether a channel's day is there and due (U7, U9): the rule, the same in the store, and spells of generation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_market import ONCOR, add_premises, day_of, esiid, marked
from sqlalchemy import LargeBinary, cast, literal, select, text

from adapters.market_csv import PremiseRow
from smt_ws.clock import FixedClock
from smt_ws.parties.generation import GenerationSpell, GenerationTold, generation_spell, told_anew
from smt_ws.parties.generation_told import generation_spells, note_delivered
from smt_ws.parties.premises import apply_premises
from smt_ws.store import migrate
from smt_ws.store.engine import Store
from smt_ws.usage.load import load_file
from smt_ws.usage.presence import has_value, is_due, missing_channels
from smt_ws.usage.stored_presence import HAS_VALUE_POSTGRESQL, HAS_VALUE_SQLITE, stored_value

DAY = date(2026, 11, 10)
LseFile = Callable[..., Path]
some_days = st.none() | st.dates(DAY - timedelta(days=9), DAY + timedelta(days=9))


@pytest.mark.parametrize("statuses", [None, b"A" * 92, b"M" * 92, b"M" * 99 + b"E", b"A" + b"M" * 95, b"E" * 100])
def test_a_day_is_there_when_one_interval_has_a_value_in_the_rule_and_in_the_store(
    store: Store, statuses: bytes | None
) -> None:
    expected = statuses is None or set(statuses) != {ord("M")}
    assert has_value(statuses) is expected
    with store.read() as connection:
        assert (
            connection.scalar(select(stored_value(connection, cast(literal(statuses, LargeBinary), LargeBinary))))
            == expected
        )
        words = HAS_VALUE_SQLITE if store.engine.dialect.name == "sqlite" else HAS_VALUE_POSTGRESQL
        one = "NULL" if statuses is None else ("x'%s'" if words is HAS_VALUE_SQLITE else r"'\x%s'::bytea")
        value = one if statuses is None else one % statuses.hex()
        value = "CAST(NULL AS bytea)" if value == "NULL" and words is HAS_VALUE_POSTGRESQL else value
        assert connection.scalar(text(f"SELECT {words} FROM (SELECT {value} AS statuses) d")) == expected


@given(
    first=some_days, last=some_days, record=some_days, provisioned=st.booleans(), day=st.dates(DAY, DAY + timedelta(9))
)
def test_generation_is_due_from_the_first_to_the_last_day_of_its_spell_u9(
    first: date | None, last: date | None, record: date | None, provisioned: bool, day: date
) -> None:
    spell = generation_spell(GenerationTold(first, last), record)
    begins = first or record
    due = provisioned and begins is not None and begins <= day and (last is None or day <= last)
    assert is_due(1, day, provisioned=provisioned, generation=spell) is due
    assert is_due(4, day, provisioned=provisioned, generation=spell) is provisioned
    both = {"provisioned": provisioned, "generation": spell}
    assert missing_channels(day, asked=(1, 4), there=(4,), **both) == ((1,) if due else ())
    assert missing_channels(day, asked=(1, 4), there=(1,), **both) == ((4,) if provisioned else ())
    assert missing_channels(day, asked=(4,), there=(4,), **both) == ()
    assert missing_channels(day, asked=(1, 4), there=(), **both) == (), "then the day itself is missing"


def test_a_premise_file_tells_the_spell_anew_and_what_it_leaves_out_stays() -> None:
    a, b, c = DAY, DAY + timedelta(days=5), DAY + timedelta(days=9)
    nothing = GenerationTold()
    assert told_anew(nothing, nothing) == nothing
    assert told_anew(nothing, GenerationTold(a)) == (a, None)
    assert told_anew(GenerationTold(a), GenerationTold(None, b)) == (a, b)
    assert told_anew(GenerationTold(a, b), nothing) == (a, b)
    assert told_anew(GenerationTold(a, b), GenerationTold(c)) == (c, None), "panels came back: a new spell"
    assert told_anew(GenerationTold(b), GenerationTold(None, a)) is None
    assert generation_spell(GenerationTold(None, b), None) is None
    assert generation_spell(GenerationTold(None, b), a) == GenerationSpell(a, b)


def test_spells_are_those_of_the_premise_file_else_from_the_first_record_as_of_a_load_u9(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    one, two, three = add_premises(store, 3)
    empty = marked(DAY, b"M", *range(96))
    early = DAY - timedelta(days=1)
    records = [day_of(1, DAY), day_of(1, DAY, channel=1), day_of(2, DAY, channel=1), day_of(3, DAY)]
    empties = [day_of(1, early, channel=1, statuses=empty), day_of(3, DAY, channel=1, statuses=empty)]
    first = load_file(store, lse_file("a", *records, *empties), clock=clock).load_number
    assert first is not None

    def spells(as_of: int | None = None) -> dict[int, GenerationSpell]:
        with store.read() as connection:
            return dict(generation_spells(connection, [one, two, three], as_of=as_of))

    assert spells() == {one: (DAY, None), two: (DAY, None)}, "a day without a value begins none"
    assert spells(first - 1) == {}
    second = load_file(store, lse_file("b", day_of(1, early, channel=1)), clock=clock).load_number
    assert spells() == {one: (early, None), two: (DAY, None)}
    assert spells(first) == {one: (DAY, None), two: (DAY, None)}
    assert second is not None

    def told(n: int, since: date | None, until: date | None) -> PremiseRow:
        described = ("1 Example St", "Dallas", "TX", "75201", "RESIDENTIAL", "ACTIVE")
        return PremiseRow(2, esiid(n), ONCOR, *described, since, until)

    with store.write() as connection:
        rows = [told(1, None, DAY), told(3, early, None)]
        assert not apply_premises(connection, rows, load_number=second + 1, tdsp_duns=ONCOR).rejects
        refused = apply_premises(connection, [told(3, None, early - timedelta(days=1))], load_number=9, tdsp_duns=ONCOR)
        assert [one.code for one in refused.rejects] == ["GENERATION_REVERSED"]
        again = apply_premises(connection, [told(3, early, None)], load_number=second + 2, tdsp_duns=ONCOR)
        assert (again.unchanged, again.replaced) == (1, 0)
    assert spells() == {one: (early, DAY), two: (DAY, None), three: (early, None)}
    assert spells(second) == {one: (early, None), two: (DAY, None)}


def test_first_days_on_both_sides_of_a_daylight_saving_change_are_one_note_a_load_r12(
    store: Store, clock: FixedClock, lse_file: LseFile
) -> None:
    (one,) = add_premises(store, 1)
    days = [date(2026, 11, 2), date(2026, 11, 1), date(2026, 10, 31)]
    assert load_file(store, lse_file("a", *(day_of(1, day, channel=1) for day in days)), clock=clock).tally.loaded == 3
    with store.read() as connection:
        assert generation_spells(connection, [one]) == {one: (days[-1], None)}


def test_the_migration_finds_the_first_days_of_what_is_there(
    empty_url: str, clock: FixedClock, lse_file: LseFile
) -> None:
    store = Store(empty_url)
    try:
        migrate.upgrade(store)
        one, two = add_premises(store, 2)
        before = DAY - timedelta(days=1)
        empty = day_of(1, before, channel=1, statuses=marked(before, b"M", *range(96)))
        load_file(store, lse_file("a", empty, day_of(1, DAY, channel=1), day_of(2, DAY)), clock=clock)
        migrate.downgrade(store, "0012")
        migrate.upgrade(store)
        with store.read() as connection:
            assert generation_spells(connection, [one, two]) == {one: (DAY, None)}
    finally:
        store.close()


def test_what_was_delivered_before_is_not_noted_again(store: Store) -> None:
    (one,) = add_premises(store, 1)
    keys, days = np.array([one, one]), np.array([DAY, DAY - timedelta(days=2)], "datetime64[D]")
    with store.write() as connection:
        note_delivered(connection, keys, days, load_number=5)
        note_delivered(connection, keys, days, load_number=6)
        assert connection.scalar(text("SELECT count(*) FROM generation_told")) == 1
