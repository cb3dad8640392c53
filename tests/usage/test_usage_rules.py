"""The rules of validation at load and of missing days, by themselves (U5, U8; interfaces.md section 2)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_value_checks import every_fact

from smt_ws.parties.generation import GenerationSpell
from smt_ws.parties.rules import Reason
from smt_ws.settings import Validation
from smt_ws.usage.missing import why_missing
from smt_ws.usage.rules import (
    FLAG_BITS,
    RULES,
    Broken,
    KnownPremise,
    MeterSpell,
    Severity,
    estimate_replaces_actual,
    examine,
    flags_of,
    rules_in,
    severities,
)

DAY = date(2026, 11, 10)
LONG_AGO = date(2024, 1, 1)
PREMISE = KnownPremise(1, "TDSP", (MeterSpell(LONG_AGO, LONG_AGO, None),))
VALUES = (7).to_bytes(4, "little") * 96
ACTUAL = b"A" * 96

FAULTS = {
    "ESIID_MALFORMED": {"well_formed": False},
    "ESIID_UNKNOWN": {"premise": None},
    "WRONG_TDSP": {"sender": "ANOTHER"},
    "INTERVAL_COUNT": {"values": VALUES[:-16]},
    "DUPLICATE_IN_FILE": {"repeated": True},
    "DAY_NOT_OVER": {"today": DAY},
    "NO_METER": {"premise": KnownPremise(1, "TDSP", ())},
    "METER_NOT_PROVISIONED": {"premise": KnownPremise(1, "TDSP", (MeterSpell(LONG_AGO, None, None),))},
    "VALUE_ROUNDED": {"rounded": (3,)},
    "MISSING_INTERVALS": {"statuses": b"M" + ACTUAL[1:]},
    "ZERO_DAY": {"values": bytes(384)},
    "METER_IDENTIFICATION": {"named": ("TDSP", "STRANGER")},
}


def broken(**changed: object) -> list[Broken]:
    record = {
        "severity": severities(),
        "premise": PREMISE,
        "sender": "TDSP",
        "esiid": "10443720000000001",
        "channel": 4,
        "day": DAY,
        "today": DAY + timedelta(days=1),
        "expected": 96,
        "values": VALUES,
        "statuses": None,
        "rounded": (),
        "repeated": False,
    }
    return examine(**(record | changed))


def test_a_good_record_breaks_nothing() -> None:
    assert broken() == []
    assert broken(statuses=ACTUAL[:-1] + b"E") == []


@pytest.mark.parametrize("code", FAULTS)
def test_each_fault_breaks_its_rule_and_no_other(code: str) -> None:
    (found,) = broken(**FAULTS[code])
    assert (found.rule, found.severity) == (code, RULES[code].severity)
    assert found.reason


def test_every_rule_of_the_table_has_a_fault_here_or_is_about_values_or_about_the_store() -> None:
    about_values = {code for _, code, _ in every_fact()}
    assert RULES.keys() - FAULTS.keys() - about_values == {"ESTIMATE_REPLACES_ACTUAL"}
    assert all(rule.formula and rule.source for rule in RULES.values())


def test_the_figures_that_a_formula_names_are_settings() -> None:
    for rule in RULES.values():
        assert all(name in rule.formula and name in Validation.model_fields for name in rule.settings), rule.code


def test_flags_are_kept_as_bits_that_every_flagging_rule_has() -> None:
    flagging = {code for code, rule in RULES.items() if rule.adjustable or rule.severity is Severity.FLAG}
    assert set(FLAG_BITS) == flagging
    assert FLAG_BITS[:5] == (
        "METER_NOT_PROVISIONED", "VALUE_ROUNDED", "MISSING_INTERVALS", "ZERO_DAY", "ESTIMATE_REPLACES_ACTUAL"
    ), "bits are stored: only ever append"  # fmt: skip
    assert rules_in(flags_of(FLAG_BITS)) == FLAG_BITS
    assert rules_in(flags_of(["SPIKE", "ZERO_DAY"])) == ("ZERO_DAY", "SPIKE")
    assert rules_in(0) == ()


@pytest.mark.parametrize(("first", "second"), list(product(FAULTS, FAULTS)))
def test_of_two_faults_the_first_that_rejects_ends_it(first: str, second: str) -> None:
    both = FAULTS[first] | FAULTS[second]
    found = broken(**both)
    rejecting = [b for b in found if b.severity is Severity.REJECT]
    assert len(rejecting) <= 1
    assert found[-1:] == rejecting or not rejecting
    order = list(RULES)
    assert [b.rule for b in found] == sorted((b.rule for b in found), key=order.index)


def test_all_flags_of_a_record_are_told() -> None:
    zero_and_missing = broken(values=bytes(384), statuses=b"M" + ACTUAL[1:], rounded=(5,))
    assert [b.rule for b in zero_and_missing] == ["VALUE_ROUNDED", "MISSING_INTERVALS", "ZERO_DAY"]


def test_a_day_of_nothing_but_missing_intervals_is_no_day_of_zeros() -> None:
    assert [b.rule for b in broken(values=bytes(384), statuses=b"M" * 96)] == ["MISSING_INTERVALS"]


def test_u9_zeros_on_the_generation_channel_are_no_news() -> None:
    assert broken(values=bytes(384), channel=1) == []


def test_only_adjustable_rules_take_another_severity() -> None:
    assert severities({"METER_NOT_PROVISIONED": Severity.FLAG})["METER_NOT_PROVISIONED"] is Severity.FLAG
    assert broken(**FAULTS["VALUE_ROUNDED"], severity=severities({"VALUE_ROUNDED": Severity.REJECT}))[0].severity == (
        Severity.REJECT
    )
    for code in ("ESIID_UNKNOWN", "NO_SUCH_RULE"):
        with pytest.raises(ValueError, match=code):
            severities({code: Severity.FLAG})


@pytest.mark.parametrize(
    ("spells", "installed", "provisioned"),
    [
        ((), "", ""),
        (((1, 3, 6),), "123456", "3456"),
        (((1, None, 6),), "123456", ""),
        (((1, 1, 3), (4, 6, None)), "123456789", "1236789"),
        (((1, 1, 3), (5, 5, None)), "12356789", "12356789"),
        (((1, 1, 5), (3, 7, None)), "123456789", "12345789"),
    ],
)
def test_u8_meters_measure_from_installation_to_removal_and_count_from_provisioning(
    spells: tuple[tuple[int, int | None, int | None], ...], installed: str, provisioned: str
) -> None:
    def on(day: int | None) -> date | None:
        return None if day is None else date(2026, 11, day)

    premise = KnownPremise(1, "TDSP", tuple(MeterSpell(on(a), on(b), on(c)) for a, b, c in spells))
    days = range(1, 10)
    assert "".join(str(d) for d in days if premise.has_meter(on(d))) == installed
    assert "".join(str(d) for d in days if premise.is_provisioned(on(d))) == provisioned


statuses = st.one_of(st.none(), st.lists(st.sampled_from(b"AEM"), min_size=92, max_size=92).map(bytes))


@given(statuses, statuses)
def test_u5_estimates_that_replace_actuals_are_counted_by_interval(old: bytes | None, new: bytes | None) -> None:
    was, now = old or b"A" * 92, new or b"A" * 92
    assert estimate_replaces_actual(old, new) == sum(
        a == ord("A") and b == ord("E") for a, b in zip(was, now, strict=True)
    )


@given(
    age=st.integers(0, 60),
    provisioned=st.booleans(),
    last=st.none() | st.integers(-70, 60),
    channels=st.sampled_from([(1,), (4,), (1, 4)]),
    generation=st.none()
    | st.builds(
        lambda first, days: GenerationSpell(DAY + timedelta(first), days and DAY + timedelta(first + days)),
        st.integers(-9, 9),
        st.none() | st.integers(1, 9),
    ),
    due=st.integers(1, 5),
    late=st.integers(1, 30),
)
def test_a_missing_day_has_exactly_the_reason_that_the_interface_promises(
    age: int,
    provisioned: bool,
    last: int | None,
    channels: tuple[int, ...],
    generation: GenerationSpell | None,
    due: int,
    late: int,
) -> None:
    today = DAY + timedelta(days=age)
    reason = why_missing(
        DAY,
        today=today,
        provisioned=provisioned,
        channels=channels,
        generation=generation,
        last_delivered=None if last is None else DAY + timedelta(days=last),
        due_days=due,
        late_days=late,
    )
    later_has_come = last is not None and last > 0
    if not provisioned:
        assert reason is Reason.NOT_PROVISIONED
    elif channels == (1,) and (generation is None or not generation.holds(DAY)):
        assert reason is Reason.NO_GENERATION_CHANNEL
    elif later_has_come:
        assert reason is Reason.GAP
    elif age < due:
        assert reason is Reason.NOT_YET_DUE
    else:
        assert reason is (Reason.NOT_DELIVERED if age > late else Reason.LATE_AT_TDSP)
