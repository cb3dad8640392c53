"""A record that the screen lets pass breaks no rule, and one that it stops does: both say the same (U5)."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_market import ONCOR, OTHER

from adapters.central_day import intervals_in
from adapters.lse import LseRecord
from adapters.lse_columns import LseDays
from smt_ws.parties.tables import meter, premise
from smt_ws.store.dialect import copy_rows
from smt_ws.store.engine import Store
from smt_ws.usage.known import Premises, known_premises, premises_of
from smt_ws.usage.rules import KnownPremise, MeterSpell, examine, severities
from smt_ws.usage.screen import keys_of, suspects

TODAY = date(2026, 11, 10)
ON = [TODAY - timedelta(days=back) for back in (9, 3, 1, 0, -1)]

days_or_none = st.none() | st.sampled_from(ON)
spells = st.builds(MeterSpell, st.sampled_from(ON), days_or_none, days_or_none)
homes = st.none() | st.builds(
    KnownPremise,
    st.integers(1, 4),
    st.sampled_from([ONCOR, ONCOR, ONCOR, OTHER]),
    st.lists(spells, max_size=2).map(tuple) | st.just((MeterSpell(date(2020, 1, 1), date(2020, 1, 1), None),)),
    st.sampled_from(["Active", "ACTIVE", "Inactive"]),
    st.sampled_from([None, "RESIDENTIAL"]),
)


def columns_of(homes: list[KnownPremise | None]) -> Premises:
    """As `premises_of` gives them."""

    def number(day: date | None) -> int:
        return 2**31 if day is None else (day - date(1970, 1, 1)).days

    kinds = [home._replace(id=0, meters=()) for home in homes if home is not None]
    of_each = iter(range(len(kinds)))
    stays = [(row, spell) for row, home in enumerate(homes) if home is not None for spell in home.meters]
    return Premises(
        id=np.array([home.id if home else 0 for home in homes], np.int64),
        kinds=tuple(kinds),
        kind=np.array([len(kinds) if home is None else next(of_each) for home in homes], np.intp),
        row=np.array([row for row, _ in stays], np.intp),
        installed=np.array([number(spell.installed) for _, spell in stays], np.int64),
        provisioned=np.array([number(spell.provisioned) for _, spell in stays], np.int64),
        removed=np.array([number(spell.removed) for _, spell in stays], np.int64),
    )


@st.composite
def records(draw: st.DrawFn) -> LseRecord:
    values = np.full(96, draw(st.sampled_from([0, 250, 250, 250])), np.int32)
    marks = draw(st.none() | st.tuples(st.sampled_from(b"EM"), st.integers(0, 95)))
    statuses = None
    if marks is not None:
        letters = bytearray(b"A" * 96)
        letters[marks[1]] = marks[0]
        statuses = bytes(letters)
    named = st.sampled_from([None, "", ONCOR, ONCOR[:9], ONCOR[:9] + "9999", OTHER])
    return LseRecord(
        line=1,
        esiid="1",
        channel=draw(st.sampled_from([1, 4])),
        day=draw(st.sampled_from(ON)),
        values=values,
        statuses=statuses,
        mre=draw(named),
        sender=draw(named),
        rounded=draw(st.sampled_from([(), (), (3,)])),
    )


def is_broken(record: LseRecord, home: KnownPremise | None) -> bool:
    return bool(
        examine(
            severity=severities(),
            premise=home,
            sender=ONCOR,
            esiid=record.esiid,
            channel=record.channel,
            day=record.day,
            today=TODAY,
            expected=intervals_in(record.day),
            values=record.values.tobytes(),
            statuses=record.statuses,
            rounded=record.rounded,
            repeated=False,
            named=(record.sender, record.mre),
        )
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(records(), homes), min_size=1, max_size=8))
def test_only_records_that_keep_every_rule_pass(batch: list[tuple[LseRecord, KnownPremise | None]]) -> None:
    days, premises = LseDays.of([record for record, _ in batch]), columns_of([home for _, home in batch])
    stopped = suspects(days, premises, sender=ONCOR, today=TODAY).tolist()
    for (record, home), stop in zip(batch, stopped, strict=True):
        # zeros of a panel by night are stopped, and then found to be no news
        dark = record.channel == 1 and not record.values.any()
        assert stop == is_broken(record, home) or (stop and dark), (record, home)


def test_a_day_with_the_wrong_number_of_intervals_is_stopped() -> None:
    spring = LseRecord(1, "1", 4, date(2026, 3, 8), np.full(96, 250, np.int32))
    home = KnownPremise(1, ONCOR, (MeterSpell(date(2020, 1, 1), date(2020, 1, 1), None),))
    assert suspects(LseDays.of([spring]), columns_of([home]), sender=ONCOR, today=TODAY).all()


@given(st.lists(st.tuples(st.integers(1, 2**39), st.sampled_from([1, 4]), st.dates()), min_size=2, max_size=6))
def test_keys_are_the_same_for_the_same_premise_channel_and_day_only(keys: list[tuple[int, int, date]]) -> None:
    record = LseRecord(1, "1", 4, TODAY, np.zeros(96, np.int32))
    days = LseDays.of([record._replace(channel=channel, day=day) for _, channel, day in keys])
    numbers = keys_of(days, columns_of([KnownPremise(home, ONCOR, ()) for home, _, _ in keys])).tolist()
    assert len(set(numbers)) == len(set(keys))


def test_premises_come_as_columns_as_they_come_one_by_one(store: Store) -> None:
    names = [f"1044372{n:010}" for n in range(6)]
    kinds = [(ONCOR, "Active", None), (ONCOR, "Inactive", "RESIDENTIAL"), (OTHER, "Active", "RESIDENTIAL")]
    with store.write() as connection:
        columns = ["id", "esiid", "tdsp_duns", "status", "premise_type", "load_number"]
        rows = [(n + 10, esiid, *kinds[n % 3], 1) for n, esiid in enumerate(names[:5])]
        copy_rows(connection, premise, columns, rows)
        columns = ["premise_id", "meter_number", "installed_on", "provisioned_on", "removed_on", "load_number"]
        stays = [
            (10, "A", ON[0], ON[0], ON[1], 1),
            (10, "B", ON[1], ON[2], None, 1),
            (11, "C", ON[0], None, None, 1),
            (13, "D", ON[0], ON[1], None, 1),
        ]
        copy_rows(connection, meter, columns, stays)
    asked = [names[3], names[5], names[0], names[1], names[4], names[2], names[0]]
    with store.read() as connection:
        found = premises_of(connection, asked)
        one_by_one = known_premises(connection, asked)
    for row, esiid in enumerate(asked):
        known, expected = found.known(row), one_by_one.get(esiid)
        if expected is None:
            assert known is None
            continue
        assert known is not None
        assert known._replace(meters=()) == expected._replace(meters=())
        assert sorted(known.meters) == sorted(expected.meters)
        for day in ON:
            days = np.full(len(asked), day, "datetime64[D]")
            assert found.provisioned_on(days)[row] == expected.is_provisioned(day)
    assert found.where(lambda home: home.is_active).tolist() == [
        esiid in one_by_one and one_by_one[esiid].is_active for esiid in asked
    ]
