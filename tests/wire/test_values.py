"""XSD values mean what XSD says: blanks collapse, 24:00:00 is the next midnight, signs and zeros change nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.soap.faults import SchemaViolation
from adapters.soap.values import read_boolean, read_decimal, read_integer, read_moment

MOMENTS = {
    "2026-11-20T24:00:00Z": datetime(2026, 11, 21, tzinfo=UTC),
    "2026-12-31T24:00:00.000": datetime(2027, 1, 1),
    " \t2026-11-20T15:00:00+00:00\n": datetime(2026, 11, 20, 15, tzinfo=UTC),
    "2026-11-20T15:00:00.9999999Z": datetime(2026, 11, 20, 15, 0, 0, 999_999, tzinfo=UTC),
    "2026-11-20T09:00:00-06:00": datetime(2026, 11, 20, 15, tzinfo=UTC),
    "1000-01-01T00:00:00+14:00": datetime(1000, 1, 1, tzinfo=timezone(timedelta(hours=14))),
}


@pytest.mark.parametrize("text", MOMENTS)
def test_a_moment_in_any_form_is_that_moment(text):
    assert read_moment(text) == MOMENTS[text]


@pytest.mark.parametrize(
    "text", ["0999-12-31T23:59:59Z", "3000-01-01T00:00:00Z", "12026-01-01T00:00:00Z", "-2026-01-01T00:00:00Z", ""]
)
def test_a_moment_outside_the_years_of_the_contract_is_refused_by_name(text):
    with pytest.raises(SchemaViolation) as refused:
        read_moment(text)
    assert refused.value.findings[0].presented == text


def test_blanks_around_a_boolean_do_not_make_it_false():
    assert [read_boolean(text) for text in (" true ", "\n1", "true", "false ", "0")] == [True, True, True, False, False]


@given(st.integers(-(10**18), 10**18), st.sampled_from(["", "000", "0" * 5_000]), st.sampled_from(["", " ", "\n\t"]))
def test_an_integer_with_zeros_and_blanks_is_that_integer(number, zeros, blank):
    sign = "-" if number < 0 else ""
    assert read_integer(f"{blank}{sign}{zeros}{abs(number)}{blank}") == number


@given(st.decimals(-(10**9), 10**9, places=6), st.sampled_from(["", "000", "0" * 5_000]))
def test_a_decimal_with_zeros_that_say_nothing_is_exact(number, zeros):
    assert read_decimal(f"{number:f}{zeros}") == Decimal(number)


@pytest.mark.parametrize("text", ["9" * 25, "0." + "9" * 1_000_000, "-" + "9" * 5_000, "1." + "0" * 24 + "1"])
def test_a_number_of_more_digits_than_count_is_refused_by_name(text):
    with pytest.raises(SchemaViolation):
        read_decimal(text)
